package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/wine"
)

// TestDockerfile: what the recipe of the container image says to isapid is understood, and it installs what "isapid doctor" asks for. No image is
// built: that needs more than a test has.
func TestDockerfile(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(testext.Root(t), "packaging", "docker", "Dockerfile.wine"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(data), "\\\n", "")
	commands := 0
	for _, m := range regexp.MustCompile(`(?m)(?:RUN|&&) isapid ([^&\n]*)`).FindAllStringSubmatch(text, -1) {
		checkCommand(t, strings.Fields(m[1]))
		commands++
	}
	args := regexp.MustCompile(`(?m)^CMD \[(.*)\]$`).FindStringSubmatch(text)
	if args == nil {
		t.Fatal("no CMD")
	}
	checkCommand(t, strings.Fields(strings.NewReplacer(`"`, "", ",", " ").Replace(args[1])))
	if commands < 2 {
		t.Errorf("it calls isapid %d times, want twice at least", commands)
	}
	if !strings.Contains(text, "ENV ISAPID_WINEPREFIX=/") {
		t.Error("the prefix that is made is not the one that is used")
	}
	no32 := (&wine.Wine{}).Supports("386")
	for _, p := range []string{"wine64", "wine32:i386", "dpkg --add-architecture i386"} {
		if !strings.Contains(text, p) {
			t.Errorf("the recipe has no %q", p)
		}
		if p != "wine64" && !strings.Contains(no32.Error(), p) {
			t.Errorf("the help for 32-bit libraries has no %q: %v", p, no32)
		}
	}
}

// checkCommand fails unless isapid has that command with these flags.
func checkCommand(t *testing.T, args []string) {
	t.Helper()
	cmd, rest, err := newRootCommand().Find(args)
	if err != nil || cmd.Name() == "isapid" {
		t.Errorf("isapid %q: no such command: %v", args, err)
		return
	}
	for i, a := range rest {
		if strings.HasPrefix(rest[i], "${") {
			rest[i] = "amd64"
		}
		if strings.HasPrefix(a, "--") && cmd.Flags().Lookup(strings.TrimPrefix(a, "--")) == nil {
			t.Errorf("isapid %q: there is no %s", args, a)
		}
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("isapid %q: %v", args, err)
	}
}
