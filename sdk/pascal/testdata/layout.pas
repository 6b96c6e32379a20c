{ Prints each structure's size and each field's offset as the compiler lays them out, for the layout test. }
program layout;

{$MODE OBJFPC}{$H+}

uses
  Isapi;

procedure Show(const Name: AnsiString; Value: PtrUInt);
begin
  WriteLn(Name, ' ', Value);
end;

var
  Ver: HSE_VERSION_INFO;
  ECB: TEXTENSION_CONTROL_BLOCK;
  TF: THSE_TF_INFO;
  HX: THSE_SEND_HEADER_EX_INFO;
  MX: THSE_URL_MAPEX_INFO;
  CE: THSE_CUSTOM_ERROR_INFO;
  CI: THSE_COUNTER_INFO;
  VE: THSE_VECTOR_ELEMENT;
  RV: THSE_RESPONSE_VECTOR;
  UI: THSE_EXEC_URL_USER_INFO;
  XI: THSE_EXEC_URL_INFO;
  ES: THSE_EXEC_URL_STATUS;
  FV: THTTP_FILTER_VERSION;
  FC: THTTP_FILTER_CONTEXT;
  RD: THTTP_FILTER_RAW_DATA;
  PH: THTTP_FILTER_PREPROC_HEADERS;
  AC: THTTP_FILTER_AUTH_COMPLETE_INFO;
  AU: THTTP_FILTER_AUTHENT;
  UM: THTTP_FILTER_URL_MAP;
  UX: THTTP_FILTER_URL_MAP_EX;
  AD: THTTP_FILTER_ACCESS_DENIED;
  FL: THTTP_FILTER_LOG;
begin
  Show('HSE_VERSION_INFO', SizeOf(Ver));
  Show('HSE_VERSION_INFO.lpszExtensionDesc', PtrUInt(@Ver.lpszExtensionDesc) - PtrUInt(@Ver));
  Show('EXTENSION_CONTROL_BLOCK', SizeOf(ECB));
  Show('EXTENSION_CONTROL_BLOCK.ConnID', PtrUInt(@ECB.ConnID) - PtrUInt(@ECB));
  Show('EXTENSION_CONTROL_BLOCK.dwHttpStatusCode', PtrUInt(@ECB.dwHttpStatusCode) - PtrUInt(@ECB));
  Show('EXTENSION_CONTROL_BLOCK.lpszLogData', PtrUInt(@ECB.lpszLogData) - PtrUInt(@ECB));
  Show('EXTENSION_CONTROL_BLOCK.lpszMethod', PtrUInt(@ECB.lpszMethod) - PtrUInt(@ECB));
  Show('EXTENSION_CONTROL_BLOCK.lpszPathTranslated', PtrUInt(@ECB.lpszPathTranslated) - PtrUInt(@ECB));
  Show('EXTENSION_CONTROL_BLOCK.cbTotalBytes', PtrUInt(@ECB.cbTotalBytes) - PtrUInt(@ECB));
  Show('EXTENSION_CONTROL_BLOCK.cbAvailable', PtrUInt(@ECB.cbAvailable) - PtrUInt(@ECB));
  Show('EXTENSION_CONTROL_BLOCK.lpbData', PtrUInt(@ECB.lpbData) - PtrUInt(@ECB));
  Show('EXTENSION_CONTROL_BLOCK.lpszContentType', PtrUInt(@ECB.lpszContentType) - PtrUInt(@ECB));
  Show('EXTENSION_CONTROL_BLOCK.GetServerVariable', PtrUInt(@ECB.GetServerVariable) - PtrUInt(@ECB));
  Show('EXTENSION_CONTROL_BLOCK.ServerSupportFunction', PtrUInt(@ECB.ServerSupportFunction) - PtrUInt(@ECB));
  Show('HSE_TF_INFO', SizeOf(TF));
  Show('HSE_TF_INFO.hFile', PtrUInt(@TF.hFile) - PtrUInt(@TF));
  Show('HSE_TF_INFO.pHead', PtrUInt(@TF.pHead) - PtrUInt(@TF));
  Show('HSE_TF_INFO.dwFlags', PtrUInt(@TF.dwFlags) - PtrUInt(@TF));
  Show('HSE_SEND_HEADER_EX_INFO', SizeOf(HX));
  Show('HSE_SEND_HEADER_EX_INFO.fKeepConn', PtrUInt(@HX.fKeepConn) - PtrUInt(@HX));
  Show('HSE_URL_MAPEX_INFO', SizeOf(MX));
  Show('HSE_URL_MAPEX_INFO.dwFlags', PtrUInt(@MX.dwFlags) - PtrUInt(@MX));
  Show('HSE_COUNTER_INFO', SizeOf(CI));
  Show('HSE_COUNTER_INFO.pszName', PtrUInt(@CI.pszName) - PtrUInt(@CI));
  Show('HSE_COUNTER_INFO.ppszLabels', PtrUInt(@CI.ppszLabels) - PtrUInt(@CI));
  Show('HSE_COUNTER_INFO.cLabels', PtrUInt(@CI.cLabels) - PtrUInt(@CI));
  Show('HSE_CUSTOM_ERROR_INFO', SizeOf(CE));
  Show('HSE_CUSTOM_ERROR_INFO.uHttpSubError', PtrUInt(@CE.uHttpSubError) - PtrUInt(@CE));
  Show('HSE_CUSTOM_ERROR_INFO.fAsync', PtrUInt(@CE.fAsync) - PtrUInt(@CE));
  Show('HSE_VECTOR_ELEMENT', SizeOf(VE));
  Show('HSE_VECTOR_ELEMENT.cbOffset', PtrUInt(@VE.cbOffset) - PtrUInt(@VE));
  Show('HSE_VECTOR_ELEMENT.cbSize', PtrUInt(@VE.cbSize) - PtrUInt(@VE));
  Show('HSE_RESPONSE_VECTOR', SizeOf(RV));
  Show('HSE_RESPONSE_VECTOR.lpElementArray', PtrUInt(@RV.lpElementArray) - PtrUInt(@RV));
  Show('HSE_EXEC_URL_USER_INFO', SizeOf(UI));
  Show('HSE_EXEC_URL_INFO', SizeOf(XI));
  Show('HSE_EXEC_URL_INFO.dwExecUrlFlags', PtrUInt(@XI.dwExecUrlFlags) - PtrUInt(@XI));
  Show('HSE_EXEC_URL_STATUS', SizeOf(ES));
  Show('HTTP_FILTER_VERSION', SizeOf(FV));
  Show('HTTP_FILTER_VERSION.lpszFilterDesc', PtrUInt(@FV.lpszFilterDesc) - PtrUInt(@FV));
  Show('HTTP_FILTER_VERSION.dwFlags', PtrUInt(@FV.dwFlags) - PtrUInt(@FV));
  Show('HTTP_FILTER_CONTEXT', SizeOf(FC));
  Show('HTTP_FILTER_CONTEXT.ServerContext', PtrUInt(@FC.ServerContext) - PtrUInt(@FC));
  Show('HTTP_FILTER_CONTEXT.fIsSecurePort', PtrUInt(@FC.fIsSecurePort) - PtrUInt(@FC));
  Show('HTTP_FILTER_CONTEXT.pFilterContext', PtrUInt(@FC.pFilterContext) - PtrUInt(@FC));
  Show('HTTP_FILTER_CONTEXT.GetServerVariable', PtrUInt(@FC.GetServerVariable) - PtrUInt(@FC));
  Show('HTTP_FILTER_CONTEXT.AllocMem', PtrUInt(@FC.AllocMem) - PtrUInt(@FC));
  Show('HTTP_FILTER_CONTEXT.ServerSupportFunction', PtrUInt(@FC.ServerSupportFunction) - PtrUInt(@FC));
  Show('HTTP_FILTER_RAW_DATA', SizeOf(RD));
  Show('HTTP_FILTER_RAW_DATA.cbInBuffer', PtrUInt(@RD.cbInBuffer) - PtrUInt(@RD));
  Show('HTTP_FILTER_PREPROC_HEADERS', SizeOf(PH));
  Show('HTTP_FILTER_PREPROC_HEADERS.AddHeader', PtrUInt(@PH.AddHeader) - PtrUInt(@PH));
  Show('HTTP_FILTER_PREPROC_HEADERS.HttpStatus', PtrUInt(@PH.HttpStatus) - PtrUInt(@PH));
  Show('HTTP_FILTER_AUTH_COMPLETE_INFO', SizeOf(AC));
  Show('HTTP_FILTER_AUTH_COMPLETE_INFO.GetUserToken', PtrUInt(@AC.GetUserToken) - PtrUInt(@AC));
  Show('HTTP_FILTER_AUTH_COMPLETE_INFO.HttpStatus', PtrUInt(@AC.HttpStatus) - PtrUInt(@AC));
  Show('HTTP_FILTER_AUTH_COMPLETE_INFO.fResetAuth', PtrUInt(@AC.fResetAuth) - PtrUInt(@AC));
  Show('HTTP_FILTER_AUTHENT', SizeOf(AU));
  Show('HTTP_FILTER_AUTHENT.pszPassword', PtrUInt(@AU.pszPassword) - PtrUInt(@AU));
  Show('HTTP_FILTER_AUTHENT.cbPasswordBuff', PtrUInt(@AU.cbPasswordBuff) - PtrUInt(@AU));
  Show('HTTP_FILTER_URL_MAP', SizeOf(UM));
  Show('HTTP_FILTER_URL_MAP.cbPathBuff', PtrUInt(@UM.cbPathBuff) - PtrUInt(@UM));
  Show('HTTP_FILTER_URL_MAP_EX', SizeOf(UX));
  Show('HTTP_FILTER_URL_MAP_EX.dwFlags', PtrUInt(@UX.dwFlags) - PtrUInt(@UX));
  Show('HTTP_FILTER_URL_MAP_EX.pszScriptMapEntry', PtrUInt(@UX.pszScriptMapEntry) - PtrUInt(@UX));
  Show('HTTP_FILTER_ACCESS_DENIED', SizeOf(AD));
  Show('HTTP_FILTER_ACCESS_DENIED.dwReason', PtrUInt(@AD.dwReason) - PtrUInt(@AD));
  Show('HTTP_FILTER_LOG', SizeOf(FL));
  Show('HTTP_FILTER_LOG.pszParameters', PtrUInt(@FL.pszParameters) - PtrUInt(@FL));
  Show('HTTP_FILTER_LOG.dwHttpStatus', PtrUInt(@FL.dwHttpStatus) - PtrUInt(@FL));
  Show('HTTP_FILTER_LOG.msTimeForProcessing', PtrUInt(@FL.msTimeForProcessing) - PtrUInt(@FL));
end.
