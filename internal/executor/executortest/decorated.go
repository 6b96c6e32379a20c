package executortest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	hosting "github.com/isapid/isapid/internal/server"
)

// testDecorated: entry points as 32-bit Windows tools name them are found second. Linkers here take "@" for something else,
// so the names are made with another letter and changed in the file.
func testDecorated(t *testing.T, s *suite) {
	s.unix(t, "all other DLLs here are made with the names of 32-bit tools, without the decoration")
	for _, c := range []struct{ version, proc, terminate string }{
		{"_GetExtensionVersion@4", "_HttpExtensionProc@4", "_TerminateExtension@4"},
		{"GetExtensionVersion@4", "HttpExtensionProc@4", "TerminateExtension@4"},
		{"_GetExtensionVersion", "_HttpExtensionProc", "_TerminateExtension"},
		{"GetExtensionVersion", "HttpExtensionProc", "_TerminateExtension@4"}, // FrontPage
	} {
		t.Run(c.version+" "+c.terminate, func(t *testing.T) {
			dir := t.TempDir()
			code := `
struct block { unsigned size, version; void *id; unsigned status; char log[80]; };

int version(char *v) __asm__("VERSION"); int version(char *v) { v[4] = 'd'; v[5] = 0; return 1; }
unsigned proc(struct block *e) __asm__("PROC"); unsigned proc(struct block *e) { e->status = 204; return 1; }
int terminate(unsigned f) __asm__("TERMINATE"); int terminate(unsigned f) { *(volatile int *)16 = 1; return f != 0; }
`
			for word, name := range map[string]string{"VERSION": c.version, "PROC": c.proc, "TERMINATE": c.terminate} {
				code = strings.ReplaceAll(code, word, plain(name))
			}
			path := filepath.Join(dir, "ext.so")
			gcc(t, "gcc", path, code, "-Wl,--hash-style=sysv")
			b, err := os.ReadFile(path)
			must(t, err)
			for _, name := range []string{c.version, c.proc, c.terminate} {
				b = bytes.ReplaceAll(b, []byte(plain(name)+"\x00"), []byte(name+"\x00"))
			}
			content(b)(t, path)

			srv := s.serveImage(t, path, executor.Options{}, hosting.Binding{})
			if d := srv.ex.Description(); d != "d" {
				t.Errorf("description %q, want d", d)
			}
			if res := srv.get(""); res.StatusCode != 204 {
				t.Errorf("%s, want 204", res.Status)
			}
			err = srv.close() // TerminateExtension crashes: so it is seen to be called
			if err == nil || !strings.Contains(err.Error(), "TerminateExtension: SIGSEGV") {
				t.Errorf("close: %v; want the crash of TerminateExtension", err)
			}
			srv.closeErr = nil
		})
	}
}

// plain is a decorated name with a letter in place of "@", such that both are in the same place of a library's table of
// three names.
func plain(name string) string {
	for letter := 'a'; letter <= 'z'; letter++ {
		if other := strings.ReplaceAll(name, "@", string(letter)); symbolHash(other)%3 == symbolHash(name)%3 {
			return other
		}
	}
	return name
}

// symbolHash is that of the System V ABI.
func symbolHash(name string) (h uint32) {
	for _, c := range []byte(name) {
		h = h<<4 + uint32(c)
		g := h & 0xf0000000
		h = (h ^ g>>24) &^ g
	}
	return h
}
