package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/testext"
)

// TestLogMessages compares the messages that docs/operations.md explains with those the code can log.
func TestLogMessages(t *testing.T) {
	logged := loggedMessages(t)
	if len(logged) < 20 {
		t.Fatalf("found only %d messages in the code: %q", len(logged), logged)
	}
	explained := explainedMessages(t)
	for _, m := range explained {
		if !slices.ContainsFunc(logged, func(l string) bool { return explains(m, l) }) {
			t.Errorf("docs/operations.md explains %q, which nothing logs", m)
		}
	}
	for _, l := range logged {
		if !slices.ContainsFunc(explained, func(m string) bool { return explains(m, l) }) {
			t.Errorf("docs/operations.md does not explain %q", l)
		}
	}
}

// explains says whether text, which may end in "…", means the message.
func explains(text, message string) bool {
	start, open := strings.CutSuffix(text, "…")
	return text == message || open && strings.HasPrefix(message, start)
}

// loggedMessages are those of the server's packages, from Info up.
func loggedMessages(t *testing.T) []string {
	t.Helper()
	call := regexp.MustCompile(`(?i:log|logger|slog)(?:\([^()]*\))?\.(?:Info|Warn|Error)\("([^"]+)"`)
	var all []string
	err := filepath.WalkDir(filepath.Join(testext.Root(t), "internal"), func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && e.Name() == "executortest":
			return fs.SkipDir
		case e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		code, err := os.ReadFile(path)
		for _, m := range call.FindAllSubmatch(code, -1) {
			all = append(all, string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// explainedMessages are in the first column of the tables of messages, in backquotes.
func explainedMessages(t *testing.T) (all []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	tables := strings.Split(string(page), "\n| Message | Means |")[1:]
	if len(tables) == 0 {
		t.Fatal("docs/operations.md has no table of messages")
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	for _, table := range tables {
		_, rows, _ := strings.Cut(table, "\n")
		for line := range strings.Lines(rows) {
			if !strings.HasPrefix(line, "|") {
				break
			}
			first, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|")
			for _, m := range quoted.FindAllStringSubmatch(first, -1) {
				all = append(all, m[1])
			}
		}
	}
	return all
}
