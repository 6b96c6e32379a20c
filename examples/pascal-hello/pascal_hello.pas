{ An ISAPI extension in Free Pascal: a page that counts its visits. Build it with

    fpc -Fusdk/pascal -opascal-hello.so examples/pascal-hello/pascal_hello.pas

  cthreads must come first in the uses clause: the host calls HttpExtensionProc from many threads, and without that
  unit strings, exceptions and threadvars work on one only. }
library pascal_hello;

{$MODE OBJFPC}{$H+}
{$I isapi.inc}

uses
{$IFDEF UNIX}
  cthreads,
{$ENDIF}
  SysUtils, Isapi;

var
  Lock: TRTLCriticalSection;
  Visits: Int64;

function CountVisit: Int64;
begin
  EnterCriticalSection(Lock);
  Inc(Visits);
  Result := Visits;
  LeaveCriticalSection(Lock);
end;

function EscapeHTML(const Text: AnsiString): AnsiString;
begin
  Result := StringReplace(Text, '&', '&amp;', [rfReplaceAll]);
  Result := StringReplace(Result, '<', '&lt;', [rfReplaceAll]);
  Result := StringReplace(Result, '>', '&gt;', [rfReplaceAll]);
end;

function Page(var ECB: TEXTENSION_CONTROL_BLOCK): AnsiString;
begin
  Result := '<!doctype html>'#10'<title>Hello from Pascal</title>'#10 +
    Format('<p>Visit %d.</p>'#10, [CountVisit]) +
    Format('<p>%s asked for %s with %s.</p>'#10, [EscapeHTML(IsapiVariable(ECB, 'REMOTE_ADDR')),
      EscapeHTML(ECB.lpszPathInfo), EscapeHTML(IsapiVariable(ECB, 'HTTP_USER_AGENT'))]);
end;

function GetExtensionVersion(var Ver: THSE_VERSION_INFO): BOOL; ISAPICALL;
begin
  Ver.dwExtensionVersion := HSE_VERSION;
  StrPLCopy(Ver.lpszExtensionDesc, 'Pascal hello example', HSE_MAX_EXT_DLL_NAME_LEN - 1);
  Result := True;
end;

{ No exception may leave this function: the host's frames below know nothing of Pascal's. }
function HttpExtensionProc(var ECB: TEXTENSION_CONTROL_BLOCK): DWORD; ISAPICALL;
var
  Body: AnsiString;
begin
  Result := HSE_STATUS_ERROR;
  try
    Body := Page(ECB);
    if IsapiSendHeader(ECB, '200 OK', 'Content-Type: text/html; charset=utf-8'#13#10 +
      Format('Content-Length: %d'#13#10, [Length(Body)])) and IsapiWrite(ECB, Body) then
      Result := HSE_STATUS_SUCCESS;
  except
    on E: Exception do
      StrPLCopy(ECB.lpszLogData, E.Message, HSE_LOG_BUFFER_LEN - 1);
  end;
end;

function TerminateExtension(dwFlags: DWORD): BOOL; ISAPICALL;
begin
  Result := True;
end;

exports
  GetExtensionVersion,
  HttpExtensionProc,
  TerminateExtension;

initialization
  InitCriticalSection(Lock);

finalization
  DoneCriticalSection(Lock);
end.
