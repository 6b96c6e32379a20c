package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/testext"
)

// describedBy is an extension whose GetExtensionVersion does what body says, with its argument in v.
func describedBy(body string) string {
	return `#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
struct version { unsigned number; char text[256]; };
static void say(const char *s) { if (write(1, s, strlen(s)) < 0) abort(); }
int GetExtensionVersion(struct version *v) { v->number = 1; strcpy(v->text, "price list"); (void)say; ` + body + `; return 1; }
unsigned HttpExtensionProc(void *ecb) { (void)ecb; return 1; }
`
}

// TestDescribeChild is not a test but the child process of those below: it is the describe command.
func TestDescribeChild(t *testing.T) {
	if os.Getenv("ISAPID_TEST_DESCRIBE") == "" {
		t.Skip("only as a child process")
	}
	os.Exit(Main([]string{"describe", os.Args[len(os.Args)-1]}, os.Stdin, os.Stdout, os.Stderr))
}

// testDescriber has this test binary in the place of isapid.
func testDescriber(t *testing.T, timeout time.Duration) describer {
	t.Helper()
	t.Setenv("ISAPID_TEST_DESCRIBE", "yes")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return describer{exe: exe, args: []string{"-test.run=^TestDescribeChild$", "--"}, timeout: timeout}
}

func TestDescribe(t *testing.T) {
	tests := []struct {
		name, body  string
		timeout     time.Duration
		description string
		problem     string // a part of it
	}{
		{"quiet", ``, time.Minute, "price list", ""},
		{"talks", `say("hello\n{\"description\":\"no\",\"more\":1}\nno newline")`, time.Minute, "price list", ""},
		{"talks much", `for (int n = 0; n < 100000; n++) say("hello\n")`, time.Minute, "price list", ""},
		{"escapes", `strcpy(v->text, "a \"b\" c")`, time.Minute, `a "b" c`, ""},
		{"refuses", `return 0`, time.Minute, "", "GetExtensionVersion returned FALSE"},
		{"exits", `syscall(SYS_exit_group, 7)`, time.Minute, "", "it ended the process it was loaded in (exit status 7)"},
		{"is killed", `say("bye\n"); kill(getpid(), SIGKILL)`, time.Minute, "", "it ended the process it was loaded in (signal: killed)"},
		{"exits silently", `syscall(SYS_exit_group, 0)`, time.Minute, "", "the process it was loaded in ended without an answer"},
		{"crashes", `*(volatile int *)8 = 1`, time.Minute, "", "GetExtensionVersion"},
		{"hangs", `for (;;) pause()`, time.Second, "", "it did not finish within 1s"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if strings.Contains(test.body, "SYS_exit_group") || strings.Contains(test.body, "SIGKILL") {
				unixOnly(t)
			}
			path := testext.Source(t, describedBy(test.body))
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			t.Setenv("TMP", temp)
			got, err := testDescriber(t, test.timeout).run(t.Context(), path)
			if text := ""; got.Description != nil {
				text = *got.Description
				if text != test.description || got.Priority+got.Notifications != "" {
					t.Errorf("got %+v, %q, want %q", got, text, test.description)
				}
			} else if test.description != "" {
				t.Errorf("got no description, want %q", test.description)
			}
			if (err != nil) != (test.problem != "") || err != nil && !strings.Contains(err.Error(), test.problem) {
				t.Errorf("got %v, want …%s…", err, test.problem)
			}
			if left, err := os.ReadDir(os.TempDir()); len(left) > 0 || err != nil {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// unixOnly skips what an extension does to its process in the words of Unix: package native has the tests for Windows.
func unixOnly(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("by system calls of Unix")
	}
}

func TestInspectPrints(t *testing.T) {
	format, needs := "ELF 64-bit shared library, linux/", "libc.so.6 => /"
	if runtime.GOOS == "windows" {
		format, needs = "shared library, windows/", "KERNEL32.dll => "
	}
	missing := syscall.ENOENT.Error()
	good := testext.Source(t, describedBy(`say("")`))
	text := filepath.Join(t.TempDir(), "shop.c")
	if err := os.WriteFile(text, []byte("int x;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := inspectOptions{child: testDescriber(t, time.Minute)}

	var out bytes.Buffer
	if err := runInspect(t.Context(), o, []string{good}, &out); err != nil {
		t.Errorf("good file: %v", err)
	}
	for _, want := range []string{good + "\n", format, "  kind         extension\n",
		"  exports      GetExtensionVersion, HttpExtensionProc\n", "  needs        " + needs, "  description  price list\n",
		"  It can be loaded here.\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}

	out.Reset()
	if err := runInspect(t.Context(), o, []string{testext.Example(t, "filter-upcase")}, &out); err != nil {
		t.Errorf("filter: %v", err)
	}
	for _, want := range []string{"  kind         filter\n", "  description  upcase: everything in capitals\n", "  priority     LOW\n",
		"  wants        SF_NOTIFY_NONSECURE_PORT ", " SF_NOTIFY_SEND_RAW_DATA\n", "  It can be loaded here.\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}

	out.Reset()
	err := runInspect(t.Context(), o, []string{good, text, "absent.so"}, &out)
	if err == nil || err.Error() != "2 of 3 files cannot be loaded here" || exitCode(err) != exitImage {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{
		"  It cannot be loaded here: shop.c: a text or source file, not a shared library: ",
		"\nabsent.so\n  It cannot be loaded here: inspect \"absent.so\": " + missing + ".\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}

	out.Reset()
	o.json, o.noLoad = true, true
	if err := runInspect(t.Context(), o, []string{good, "absent.so"}, &out); err == nil {
		t.Error("no error for an absent file")
	}
	var list []struct {
		Path, Kind, SHA256, Description, Problem string
		Loadable                                 bool
	}
	if err := json.Unmarshal(out.Bytes(), &list); err != nil || len(list) != 2 {
		t.Fatalf("%v in\n%s", err, &out)
	}
	if g := list[0]; g.Path != good || g.Kind != "extension" || len(g.SHA256) != 64 || !g.Loadable || g.Description != "" {
		t.Errorf("good file: got %+v", g)
	}
	if b := list[1]; b.Path != "absent.so" || b.Loadable || b.Problem != `inspect "absent.so": `+missing {
		t.Errorf("absent file: got %+v", b)
	}
}

func TestInspectUsage(t *testing.T) {
	for _, args := range [][]string{{"inspect"}, {"inspect", "--nonsense", "x"}, {"describe"}, {"describe", "a", "b"}} {
		var out, errs bytes.Buffer
		if code := Main(args, strings.NewReader(""), &out, &errs); code != exitUsage {
			t.Errorf("%q: got exit code %d, want %d: %s", args, code, exitUsage, &errs)
		}
	}
}

func TestHarmless(t *testing.T) {
	tests := map[string]string{"shop.so": "shop.so", "größe \"x\".so": "größe \"x\".so", "a\x1b[2J": `"a\x1b[2J"`, "a\nb": `"a\nb"`, `C:\b`: `C:\b`, "\xff": `"\xff"`}
	for text, want := range tests {
		if got := harmless(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestFirstLine(t *testing.T) {
	if got := firstLine([]byte("\n  fatal\x07 error\nstack\n")); got != `: "fatal\a error"` {
		t.Errorf("got %q", got)
	}
	if _, ok := lastAnswer([]byte("{}\n{\"description\":1}\nnull\n")); ok {
		t.Error("took something else for an answer")
	}
	if d, ok := lastAnswer([]byte("{\"description\":\"a\"}\nnoise")); !ok || *d.Description != "a" {
		t.Errorf("got %+v, %v", d, ok)
	}
	if got := firstLine(nil); got != "" {
		t.Errorf("got %q", got)
	}
}
