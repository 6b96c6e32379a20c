{ The unit Isapi under the name that sources with "uses Isapi4" expect. Use one of the names in a library, not two:
  each declares the types anew. }
unit Isapi4;

{$I isapi_unit.inc}
