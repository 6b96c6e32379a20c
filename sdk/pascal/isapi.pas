{ The ISAPI extension interface for Free Pascal, under the names Delphi programs know. }
unit Isapi;

{$I isapi_unit.inc}
