{ Raises a Pascal exception inside HttpExtensionProc and catches it there, answering "caught: <message>". With the
  query "uncaught" it lets the exception escape: Free Pascal's run-time library then ends the process with code 217.
  "access" reads through nil, which a library's run-time library leaves to the host: no Pascal exception, a fault. }
library pascal_exception;

{$MODE OBJFPC}{$H+}
{$I isapi.inc}

uses
{$IFDEF UNIX}
  cthreads,
{$ENDIF}
  SysUtils, Isapi;

procedure Fail(Depth: Integer);
begin
  if Depth = 0 then
    raise EInOutError.Create('disk on fire');
  Fail(Depth - 1);
end;

procedure ReadNil;
var
  P: PInteger;
begin
  P := nil;
  if P^ = 1 then
    Fail(0);
end;

function GetExtensionVersion(var Ver: THSE_VERSION_INFO): BOOL; ISAPICALL;
begin
  Ver.dwExtensionVersion := HSE_VERSION;
  StrPLCopy(Ver.lpszExtensionDesc, 'pascal_exception', HSE_MAX_EXT_DLL_NAME_LEN - 1);
  Result := True;
end;

function HttpExtensionProc(var ECB: TEXTENSION_CONTROL_BLOCK): DWORD; ISAPICALL;
begin
  Result := HSE_STATUS_ERROR;
  if ECB.lpszQueryString = 'uncaught' then
    Fail(3);
  try
    if ECB.lpszQueryString = 'access' then
      ReadNil;
    Fail(3);
  except
    on E: Exception do
      if IsapiSendHeader(ECB, '200 OK', 'Content-Type: text/plain'#13#10) and
        IsapiWrite(ECB, 'caught: ' + E.Message + #10) then
        Result := HSE_STATUS_SUCCESS;
  end;
end;

exports
  GetExtensionVersion,
  HttpExtensionProc;

end.
