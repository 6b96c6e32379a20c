package sdk_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/isapid/isapid"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native/filtertest"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/toolchain"
	"github.com/isapid/isapid/sdk"
)

// The programs in docs/writing-an-extension.md: what each answers to a request for /world.
var documented = map[string]string{
	"hello.c":   "Hello, /world\n",
	"hello.cpp": "Hello, /world\n",
	"hello.go":  "Hello, /world\n",
	"hello.pas": "Hello, /world\n",
	"later.c":   "later\n",
	"file.c":    "price list\n",
}

// documentedFilters are the filters there. Each sends a request for /old to /new.
var documentedFilters = []string{"old.go"}

// strictFlags is what users' code is promised to be clean with.
var strictFlags = map[string][]string{
	".c":   {"-std=c99", "-Wextra", "-Wpedantic", "-Werror"},
	".cpp": {"-std=c++11", "-Wextra", "-Wpedantic", "-Werror"},
}

var (
	fence     = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")
	firstLine = regexp.MustCompile(`^(?:/\*|//|\{) ([a-z]+\.[a-z]+)(?: \*/| \}|)\n`)
)

// documentedPrograms writes the programs of the page, by the names in their first lines, into a folder. commands is what the page says
// for building by hand.
func documentedPrograms(t *testing.T) (dir string, commands []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/writing-an-extension.md")
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	seen := map[string]bool{}
	for _, block := range fence.FindAllStringSubmatch(string(page), -1) {
		language, code := block[1], block[2]
		switch language {
		case "console":
			continue
		case "sh":
			commands = append(commands, strings.Split(strings.TrimSpace(code), "\n")...)
			continue
		}
		name := firstLine.FindStringSubmatch(code)
		if name == nil {
			t.Errorf("a block in %s does not begin with the name of its file:\n%s", language, code)
			continue
		}
		if _, ok := documented[name[1]]; (!ok && !slices.Contains(documentedFilters, name[1])) || seen[name[1]] {
			t.Errorf("program %q: this test does not know it, or it is there twice", name[1])
		}
		seen[name[1]] = true
		writeFile(t, filepath.Join(dir, name[1]), code)
	}
	for _, name := range slices.AppendSeq(slices.Clone(documentedFilters), maps.Keys(documented)) {
		if !seen[name] {
			t.Fatalf("program %q is not on the page", name)
		}
	}
	return dir, commands
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDocumentedPrograms compiles and runs each program of the page.
func TestDocumentedPrograms(t *testing.T) {
	dir, _ := documentedPrograms(t)
	for name, want := range documented {
		t.Run(name, func(t *testing.T) {
			if got := answerOf(t, buildDocumented(t, dir, name)); got != want {
				t.Errorf("answered %q, want %q", got, want)
			}
		})
	}
}

// TestDocumentedFilters does so with the filters.
func TestDocumentedFilters(t *testing.T) {
	dir, _ := documentedPrograms(t)
	for _, name := range documentedFilters {
		t.Run(name, func(t *testing.T) {
			f := filtertest.Open(t, buildDocumented(t, dir, name))
			if got := f.Description(); !strings.HasPrefix(got, "sends /old to /new, in ") {
				t.Errorf("described as %q", got)
			}
			c := f.Connect(false)
			for url, want := range map[string]string{"/old": "SetHeader url /new", "/other": ""} {
				c.Headers["url"] = url
				if status, _ := c.HeaderEvent(isapi.NotifyPreprocHeaders); status != isapi.FilterNextNotification {
					t.Errorf("%s: %v", url, isapi.FilterStatus(status))
				}
				if got := c.Took(); got != want {
					t.Errorf("%s: took %q, want %q", url, got, want)
				}
			}
		})
	}
}

// buildDocumented answers the library of a program of the page, which is in dir. A missing compiler ends the test.
func buildDocumented(t *testing.T, dir, name string) (image string) {
	t.Helper()
	if filepath.Ext(name) == ".go" {
		return buildDocumentedGo(t, dir, name)
	}
	need(t, map[string]string{".c": "gcc", ".cpp": "g++", ".pas": "fpc"}[filepath.Ext(name)], true)
	o := toolchain.Options{Flags: strictFlags[filepath.Ext(name)]}
	image, err := toolchain.Compile(t.Context(), filepath.Join(dir, name), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// TestDocumentedCommands runs what the page says for building by hand.
func TestDocumentedCommands(t *testing.T) {
	dir, commands := documentedPrograms(t)
	if len(commands) != 4 {
		t.Fatalf("found the commands %q, want 4", commands)
	}
	if err := sdk.Extract(filepath.Join(dir, "sdk")); err != nil {
		t.Fatal(err)
	}
	goModule(t, dir, "hello.go")
	for _, command := range commands {
		words := strings.Fields(command)
		t.Run(words[0], func(t *testing.T) {
			need(t, words[0], words[0] != "fpc")
			cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
			cmd.Dir = dir
			if words[0] == "go" {
				cmd.Dir = filepath.Join(dir, "go")
				cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off")
			}
			if said, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", command, err, said)
			}
			found, err := filepath.Glob(filepath.Join(cmd.Dir, "hello-*.so"))
			if err != nil || len(found) == 0 {
				t.Errorf("%s made no library: %v", command, err)
			}
			for _, lib := range found {
				os.Remove(lib)
			}
		})
	}
}

// goModule is a module of a user's own with one of the page's programs in Go, in the folder go below dir.
func goModule(t *testing.T, dir, name string) {
	t.Helper()
	code, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "go"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "go", name), string(code))
	writeFile(t, filepath.Join(dir, "go", "go.mod"), fmt.Sprintf("module hello\n\ngo 1.26.0\n\n"+
		"require github.com/isapid/isapid v0.0.0\n\nreplace github.com/isapid/isapid => %s\n", testext.Root(t)))
}

func buildDocumentedGo(t *testing.T, dir, name string) (image string) {
	t.Helper()
	goModule(t, dir, name)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-o", "hello.so", ".")
	cmd.Dir = filepath.Join(dir, "go")
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, said)
	}
	return filepath.Join(cmd.Dir, "hello.so")
}

// answerOf loads the image, asks it for /world and closes it.
func answerOf(t *testing.T, image string) string {
	t.Helper()
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "price.txt"), "price list\n")
	ext, err := isapid.Open(image, isapid.WithRoot(root))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(ext)
	defer func() {
		server.Close()
		if err := ext.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	resp, err := http.Get(server.URL + "/world")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("answered %s as %q", resp.Status, resp.Header.Get("Content-Type"))
	}
	return string(body)
}
