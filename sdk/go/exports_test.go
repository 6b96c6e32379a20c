package isapi_test

import (
	"context"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// The package's exports must be the library's, although its main package has no import "C".
func TestExports(t *testing.T) {
	f, err := elf.Open(probe(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	exported := map[string]bool{}
	for _, s := range symbols {
		exported[s.Name] = s.Section != elf.SHN_UNDEF
	}
	for _, name := range []string{"GetExtensionVersion", "HttpExtensionProc", "TerminateExtension"} {
		if !exported[name] {
			t.Errorf("the library does not export %s", name)
		}
	}
}

var built struct {
	sync.Once
	dir string
	out []byte
	err error
}

// probe builds testdata/probe, once.
func probe(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("cc"); err != nil && os.Getenv("CI") == "" {
		t.Skip("no C compiler")
	}
	lib := filepath.Join(built.dir, "probe.so")
	built.Do(func() {
		cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", lib, "./testdata/probe")
		built.out, built.err = cmd.CombinedOutput()
	})
	if built.err != nil {
		t.Fatalf("build the probe: %v\n%s", built.err, built.out)
	}
	return lib
}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "isapi-probe-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	built.dir = dir
	code := m.Run()
	if shared.ex != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = shared.ex.Close(ctx) // the staged image goes with it; a Go library's mapping cannot
	}
	return code
}
