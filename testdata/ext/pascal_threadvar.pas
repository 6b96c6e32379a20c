{ Strings and counters in thread variables. Answers "fine" as long as each thread finds its own there, and exceptions of the run-time library
  that are raised and caught on many threads at a time are those of their thread. }
library pascal_threadvar;

{$MODE OBJFPC}{$H+}
{$I isapi.inc}

uses
{$IFDEF UNIX}
  cthreads,
{$ENDIF}
  SysUtils, Isapi;

threadvar
  Name: AnsiString;
  Visits: Integer;

function Me: AnsiString;
begin
  Result := 'thread ' + IntToStr(PtrUInt(GetCurrentThreadId));
end;

function Check: AnsiString;
begin
  Result := 'fine';
  if (Visits > 0) and (Name <> Me) then
    Result := 'found ' + Name + ' on ' + Me;
  Name := Me;
  Inc(Visits);
  try
    Sleep(1);
    raise EInOutError.Create(Me);
  except
    on E: EInOutError do
      if E.Message <> Me then
        Result := 'caught what ' + E.Message + ' raised';
  end;
end;

function GetExtensionVersion(var Ver: THSE_VERSION_INFO): BOOL; ISAPICALL;
begin
  Ver.dwExtensionVersion := HSE_VERSION;
  StrPLCopy(Ver.lpszExtensionDesc, 'pascal_threadvar', HSE_MAX_EXT_DLL_NAME_LEN - 1);
  Result := True;
end;

function HttpExtensionProc(var ECB: TEXTENSION_CONTROL_BLOCK): DWORD; ISAPICALL;
begin
  Result := HSE_STATUS_ERROR;
  if IsapiSendHeader(ECB, '200 OK', 'Content-Type: text/plain'#13#10) and IsapiWrite(ECB, Check) then
    Result := HSE_STATUS_SUCCESS;
end;

exports
  GetExtensionVersion,
  HttpExtensionProc;

end.
