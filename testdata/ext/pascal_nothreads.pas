{ A Free Pascal library without the unit cthreads, as written for a server that calls from one thread: its run-time
  library believes that there is only the thread which loaded it. Works with one fixed thread; on others the memory
  manager, strings and threadvars are unprotected. Answers "request N on one thread" with a count kept in a threadvar. }
library pascal_nothreads;

{$MODE OBJFPC}{$H+}
{$I isapi.inc}

uses
  SysUtils, Isapi;

threadvar
  Requests: Int64;

{ Churn makes and frees many strings, so that callers at the same time meet in the memory manager. }
function Churn: AnsiString;
var
  I: Integer;
begin
  Result := '';
  for I := 1 to 2000 do
    Result := Copy(Result + IntToStr(I), 1, 500 + I mod 700);
end;

function GetExtensionVersion(var Ver: THSE_VERSION_INFO): BOOL; ISAPICALL;
begin
  Ver.dwExtensionVersion := HSE_VERSION;
  StrPLCopy(Ver.lpszExtensionDesc, 'pascal_nothreads', HSE_MAX_EXT_DLL_NAME_LEN - 1);
  Result := True;
end;

function HttpExtensionProc(var ECB: TEXTENSION_CONTROL_BLOCK): DWORD; ISAPICALL;
var
  Text: AnsiString;
begin
  Result := HSE_STATUS_ERROR;
  Inc(Requests);
  Text := Churn;
  Text := Format('request %d on one thread'#10, [Requests]);
  if IsapiSendHeader(ECB, '200 OK', 'Content-Type: text/plain'#13#10) and IsapiWrite(ECB, Text) then
    Result := HSE_STATUS_SUCCESS;
end;

exports
  GetExtensionVersion,
  HttpExtensionProc;

end.
