//go:build linux && cgo

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/image"
)

// TestDLLs: the loader builds for Windows, and exports what hosts look for under the names they look for, with the calling
// convention they use.
func TestDLLs(t *testing.T) {
	for _, test := range []struct{ arch, tools, returns string }{
		{"amd64", "x86_64-w64-mingw32-", `ret\s*$`},
		{"386", "i686-w64-mingw32-", `ret\s+\$0x4\s*$`}, // stdcall: the function takes its argument off the stack
	} {
		t.Run(test.arch, func(t *testing.T) {
			if _, err := exec.LookPath(test.tools + "gcc"); err != nil {
				if os.Getenv("CI") != "" {
					t.Fatal(err)
				}
				t.Skip(err)
			}
			dll := filepath.Join(t.TempDir(), "isapiloader.dll")
			build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildmode=c-shared", "-o", dll, ".")
			build.Env = append(os.Environ(), "CGO_ENABLED=1", "GOOS=windows", "GOARCH="+test.arch, "CC="+test.tools+"gcc")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			info, err := image.Inspect(dll)
			if err != nil || info.Kind != image.KindExtension || info.System != "windows" || info.Arch != test.arch || !info.Loader {
				t.Errorf("inspected: %+v, %v", info, err)
			}
			for _, lib := range info.Needed {
				if !lib.System {
					t.Errorf("it needs %s, which Windows has not", lib.Name)
				}
			}
			objdump := func(args ...string) string {
				out, err := exec.CommandContext(t.Context(), test.tools+"objdump", append(args, dll)...).Output()
				if err != nil {
					t.Fatal(err)
				}
				return string(out)
			}
			var exported []string
			_, table, _ := strings.Cut(objdump("-p"), "[Ordinal/Name Pointer] Table")
			for _, match := range regexp.MustCompile(`(?m)^\t\[ *\d+\] (?:\+base\[ *\d+\] +[0-9a-f]+ )?(\S+)$`).FindAllStringSubmatch(table, -1) {
				exported = append(exported, match[1])
			}
			for _, name := range []string{"GetExtensionVersion", "HttpExtensionProc", "TerminateExtension", "IsapiLoader"} {
				if !slices.Contains(exported, name) {
					t.Errorf("it does not export %s, but %q", name, exported)
				}
			}
			symbol := "HttpExtensionProc"
			if test.arch == "386" {
				symbol = "_" + symbol
			}
			var returns []string
			for line := range strings.Lines(objdump("-d", "--no-show-raw-insn", "--disassemble="+symbol)) {
				if regexp.MustCompile(`\sret\b`).MatchString(line) {
					returns = append(returns, line)
				}
			}
			if len(returns) == 0 || slices.ContainsFunc(returns, func(r string) bool { return !regexp.MustCompile(test.returns).MatchString(r) }) {
				t.Errorf("HttpExtensionProc returns by %q", returns)
			}
		})
	}
}
