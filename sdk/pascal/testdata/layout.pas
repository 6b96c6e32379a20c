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
  VE: THSE_VECTOR_ELEMENT;
  RV: THSE_RESPONSE_VECTOR;
  UI: THSE_EXEC_URL_USER_INFO;
  XI: THSE_EXEC_URL_INFO;
  ES: THSE_EXEC_URL_STATUS;
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
end.
