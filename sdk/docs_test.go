package sdk_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/isapid/isapid"
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
		if _, ok := documented[name[1]]; !ok || seen[name[1]] {
			t.Errorf("program %q: this test does not know it, or it is there twice", name[1])
		}
		seen[name[1]] = true
		writeFile(t, filepath.Join(dir, name[1]), code)
	}
	for name := range documented {
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
			var image string
			if filepath.Ext(name) == ".go" {
				image = buildDocumentedGo(t, dir)
			} else {
				need(t, map[string]string{".c": "gcc", ".cpp": "g++", ".pas": "fpc"}[filepath.Ext(name)], true)
				var err error
				o := toolchain.Options{Flags: strictFlags[filepath.Ext(name)]}
				if image, err = toolchain.Compile(t.Context(), filepath.Join(dir, name), t.TempDir(), o); err != nil {
					t.Fatal(err)
				}
			}
			if got := answerOf(t, image); got != want {
				t.Errorf("answered %q, want %q", got, want)
			}
		})
	}
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
	goModule(t, dir)
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

// goModule is a module of a user's own with the page's program in Go, in the folder go below dir.
func goModule(t *testing.T, dir string) {
	t.Helper()
	code, err := os.ReadFile(filepath.Join(dir, "hello.go"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "go"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "go", "hello.go"), string(code))
	writeFile(t, filepath.Join(dir, "go", "go.mod"), fmt.Sprintf("module hello\n\ngo 1.26.0\n\n"+
		"require github.com/isapid/isapid v0.0.0\n\nreplace github.com/isapid/isapid => %s\n", testext.Root(t)))
}

func buildDocumentedGo(t *testing.T, dir string) (image string) {
	t.Helper()
	goModule(t, dir)
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
