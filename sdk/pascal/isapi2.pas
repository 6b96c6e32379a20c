{ The unit Isapi under the name that sources with "uses Isapi2" expect. Use one of the names in a library, not two:
  each declares the types anew. }
unit Isapi2;

{$I isapi_unit.inc}
