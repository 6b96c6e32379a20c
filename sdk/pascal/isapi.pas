{ The ISAPI interfaces, of extensions and filters, for Free Pascal, under the names Delphi programs know. }
unit Isapi;

{$I isapi_unit.inc}
