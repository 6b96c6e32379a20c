package pascal_test

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/toolchain"
)

// The numbers are those of the C side on a 64-bit system.
const layout = `
HSE_VERSION_INFO 260
HSE_VERSION_INFO.lpszExtensionDesc 4
EXTENSION_CONTROL_BLOCK 192
EXTENSION_CONTROL_BLOCK.ConnID 8
EXTENSION_CONTROL_BLOCK.dwHttpStatusCode 16
EXTENSION_CONTROL_BLOCK.lpszLogData 20
EXTENSION_CONTROL_BLOCK.lpszMethod 104
EXTENSION_CONTROL_BLOCK.lpszPathTranslated 128
EXTENSION_CONTROL_BLOCK.cbTotalBytes 136
EXTENSION_CONTROL_BLOCK.cbAvailable 140
EXTENSION_CONTROL_BLOCK.lpbData 144
EXTENSION_CONTROL_BLOCK.lpszContentType 152
EXTENSION_CONTROL_BLOCK.GetServerVariable 160
EXTENSION_CONTROL_BLOCK.ServerSupportFunction 184
HSE_TF_INFO 72
HSE_TF_INFO.hFile 16
HSE_TF_INFO.pHead 40
HSE_TF_INFO.dwFlags 68
HSE_SEND_HEADER_EX_INFO 32
HSE_SEND_HEADER_EX_INFO.fKeepConn 24
HSE_URL_MAPEX_INFO 280
HSE_URL_MAPEX_INFO.dwFlags 260
HSE_COUNTER_INFO 32
HSE_COUNTER_INFO.pszName 8
HSE_COUNTER_INFO.ppszLabels 16
HSE_COUNTER_INFO.cLabels 24
HSE_CUSTOM_ERROR_INFO 16
HSE_CUSTOM_ERROR_INFO.uHttpSubError 8
HSE_CUSTOM_ERROR_INFO.fAsync 12
HSE_VECTOR_ELEMENT 32
HSE_VECTOR_ELEMENT.cbOffset 16
HSE_VECTOR_ELEMENT.cbSize 24
HSE_RESPONSE_VECTOR 40
HSE_RESPONSE_VECTOR.lpElementArray 32
HSE_EXEC_URL_USER_INFO 24
HSE_EXEC_URL_INFO 48
HSE_EXEC_URL_INFO.dwExecUrlFlags 40
HSE_EXEC_URL_STATUS 8
HTTP_FILTER_VERSION 272
HTTP_FILTER_VERSION.lpszFilterDesc 8
HTTP_FILTER_VERSION.dwFlags 268
HTTP_FILTER_CONTEXT 72
HTTP_FILTER_CONTEXT.ServerContext 8
HTTP_FILTER_CONTEXT.fIsSecurePort 20
HTTP_FILTER_CONTEXT.pFilterContext 24
HTTP_FILTER_CONTEXT.GetServerVariable 32
HTTP_FILTER_CONTEXT.AllocMem 56
HTTP_FILTER_CONTEXT.ServerSupportFunction 64
HTTP_FILTER_RAW_DATA 24
HTTP_FILTER_RAW_DATA.cbInBuffer 12
HTTP_FILTER_PREPROC_HEADERS 32
HTTP_FILTER_PREPROC_HEADERS.AddHeader 16
HTTP_FILTER_PREPROC_HEADERS.HttpStatus 24
HTTP_FILTER_AUTH_COMPLETE_INFO 48
HTTP_FILTER_AUTH_COMPLETE_INFO.GetUserToken 24
HTTP_FILTER_AUTH_COMPLETE_INFO.HttpStatus 32
HTTP_FILTER_AUTH_COMPLETE_INFO.fResetAuth 36
HTTP_FILTER_AUTHENT 32
HTTP_FILTER_AUTHENT.pszPassword 16
HTTP_FILTER_AUTHENT.cbPasswordBuff 24
HTTP_FILTER_URL_MAP 24
HTTP_FILTER_URL_MAP.cbPathBuff 16
HTTP_FILTER_URL_MAP_EX 40
HTTP_FILTER_URL_MAP_EX.dwFlags 20
HTTP_FILTER_URL_MAP_EX.pszScriptMapEntry 32
HTTP_FILTER_ACCESS_DENIED 24
HTTP_FILTER_ACCESS_DENIED.dwReason 16
HTTP_FILTER_LOG 72
HTTP_FILTER_LOG.pszParameters 40
HTTP_FILTER_LOG.dwHttpStatus 48
HTTP_FILTER_LOG.msTimeForProcessing 64
`

func TestLayout(t *testing.T) {
	program := compile(t, "testdata/layout.pas")
	out, err := exec.Command(program).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.TrimSpace(string(out)), strings.TrimSpace(layout); got != want {
		t.Errorf("layout:\n%s\nwant:\n%s", got, want)
	}
}

// Every number of the unit is the one of the C header. The C compiler compares.
func TestCodesAreThoseOfTheCHeader(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler")
	}
	text, err := os.ReadFile("isapi_codes.inc")
	if err != nil {
		t.Fatal(err)
	}
	constants := regexp.MustCompile(`(?m)^  ([A-Z]\w+) = (\$?)([0-9A-F]+);`).FindAllStringSubmatch(string(text), -1)
	if len(constants) < 132 {
		t.Fatalf("found %d constants in isapi_codes.inc, it has 132 or more", len(constants))
	}
	source := "#include <windows.h>\n#include <httpext.h>\n#include <httpfilt.h>\n"
	for _, c := range constants {
		hex := strings.Replace(c[2], "$", "0x", 1)
		source += fmt.Sprintf("_Static_assert(%s == %s%s, \"%s\");\n", c[1], hex, c[3], c[1])
	}
	check := exec.Command(cc, "-std=c11", "-I../c", "-fsyntax-only", "-x", "c", "-")
	check.Stdin = strings.NewReader(source)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Sources name the unit as Delphi did.
func TestUnitNames(t *testing.T) {
	const source = `library named;
{$I isapi.inc}
uses %s;

function GetExtensionVersion(var Ver: THSE_VERSION_INFO): BOOL; ISAPICALL;
begin
  Ver.dwExtensionVersion := HSE_VERSION;
  GetExtensionVersion := True;
end;

function HttpExtensionProc(var ECB: TEXTENSION_CONTROL_BLOCK): DWORD; ISAPICALL;
begin
  ECB.ServerSupportFunction(ECB.ConnID, HSE_REQ_SEND_URL_REDIRECT_RESP, PAnsiChar('/'), nil, nil);
  HttpExtensionProc := HSE_STATUS_SUCCESS;
end;

exports GetExtensionVersion, HttpExtensionProc;
end.
`
	for _, unit := range []string{"Isapi", "Isapi2", "Isapi4"} {
		t.Run(unit, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "named.pas")
			if err := os.WriteFile(file, fmt.Appendf(nil, source, unit), 0o600); err != nil {
				t.Fatal(err)
			}
			wantExports(t, compile(t, file), "GetExtensionVersion", "HttpExtensionProc")
		})
	}
}

func wantExports(t *testing.T, library string, names ...string) {
	t.Helper()
	f, err := elf.Open(library)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		found := false
		for _, s := range symbols {
			found = found || s.Name == name && s.Section != elf.SHN_UNDEF
		}
		if !found {
			t.Errorf("%s does not export %s", library, name)
		}
	}
}

// compile returns the library, or program, that a source becomes. Every warning is an error.
func compile(t *testing.T, source string) string {
	t.Helper()
	sdk, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	out, err := toolchain.Compile(t.Context(), source, t.TempDir(), toolchain.Options{SDK: sdk, Flags: []string{"-Sew"}})
	if missing := (*toolchain.MissingError)(nil); errors.As(err, &missing) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}
