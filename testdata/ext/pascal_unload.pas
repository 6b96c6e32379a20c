{ A Free Pascal library with cthreads and declarations of its own, as sources have that know no SDK of ours. Every thread
  that ran its code calls into it once more when it ends (a destructor of thread-local data that is never taken back), also
  when the library has been unloaded by then: a host must not unmap it while such threads live. Answers with nothing but
  success. }
library pascal_unload;

{$MODE OBJFPC}{$H+}

uses
  cthreads;

threadvar
  Text: AnsiString;

function GetExtensionVersion(Info: PLongWord): LongBool; cdecl;
begin
  Info[0] := 6 shl 16;
  Info[1] := 0; { an empty description }
  GetExtensionVersion := True;
end;

function HttpExtensionProc(ECB: Pointer): LongWord; cdecl;
begin
  Text := Text + 'x';
  HttpExtensionProc := 1;
end;

exports
  GetExtensionVersion,
  HttpExtensionProc;

end.
