{ One path for each thing the units have for filters. }
library filter;

{$MODE OBJFPC}{$H+}
{$I isapi.inc}

uses
{$IFDEF UNIX} cthreads, {$ENDIF} SysUtils, Isapi;

type
  EDenied = class(Exception);

function GetFilterVersion(var pVer: THTTP_FILTER_VERSION): BOOL; ISAPICALL;
begin
  pVer.dwFilterVersion := HTTP_FILTER_REVISION;
  StrPLCopy(pVer.lpszFilterDesc, 'probe in Pascal', SF_MAX_FILTER_DESC_LEN - 1);
  pVer.dwFlags := SF_NOTIFY_PREPROC_HEADERS or SF_NOTIFY_URL_MAP or SF_NOTIFY_LOG or SF_NOTIFY_ORDER_MEDIUM;
  Result := True;
end;

function Preproc(var Context: THTTP_FILTER_CONTEXT; Headers: PHTTP_FILTER_PREPROC_HEADERS): DWORD;
var
  Url: AnsiString;
begin
  Result := SF_STATUS_REQ_NEXT_NOTIFICATION;
  Url := IsapiFilterHeader(Context, Headers, 'url');
  if Url = '/headers' then
  begin
    Headers^.SetHeader(Context, 'url', PAnsiChar('/new?' + IsapiFilterHeader(Context, Headers, 'X-Long:')));
    Headers^.AddHeader(Context, 'X-None:', PAnsiChar('(' + IsapiFilterHeader(Context, Headers, 'X-None:') + ')'));
  end
  else if Url = '/answer' then
  begin
    if IsapiFilterRespond(Context, '200 OK', 'X: y'#13#10, IsapiFilterVariable(Context, 'SERVER_NAME')) then
      Result := SF_STATUS_REQ_FINISHED_KEEP_CONN;
  end
  else if Url = '/denied' then
    raise EDenied.Create('not you');
end;

function HttpFilterProc(var pfc: THTTP_FILTER_CONTEXT; NotificationType: DWORD; pvNotification: Pointer): DWORD; ISAPICALL;
const
  Logged: PAnsiChar = '/logged';
begin
  Result := SF_STATUS_REQ_NEXT_NOTIFICATION;
  try
    case NotificationType of
      SF_NOTIFY_PREPROC_HEADERS:
        Result := Preproc(pfc, pvNotification);
      SF_NOTIFY_URL_MAP:
        with PHTTP_FILTER_URL_MAP(pvNotification)^ do
          StrPLCopy(pszPhysicalPath, AnsiString(pszPhysicalPath) + AnsiString(pszURL), cbPathBuff - 1);
      SF_NOTIFY_LOG:
        PHTTP_FILTER_LOG(pvNotification)^.pszTarget := Logged;
    end;
  except
    on EDenied do
    begin
      SetLastError(ERROR_ACCESS_DENIED);
      Exit(SF_STATUS_REQ_ERROR);
    end;
  end;
end;

function TerminateFilter(dwFlags: DWORD): BOOL; ISAPICALL;
begin
  Result := dwFlags = 0;
end;

exports
  GetFilterVersion,
  HttpFilterProc,
  TerminateFilter;

end.
