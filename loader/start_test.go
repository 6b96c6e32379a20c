//go:build linux && cgo

package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStart: what is there when the host loads the extension.
func TestStart(t *testing.T) {
	one, two, refuses := build(t, 1), build(t, 2), build(t, 1, "-DREFUSE")
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, []byte("this is no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, run, update string
		says              string // "": it cannot be loaded
		lastError         int
		failed            string // part of shop.failed.txt
		files             string // without the loader's and the fixture's
	}{
		{"nothing", "", "", "", 2, "", ""},
		{"run", one, "", "1", 0, "", "shop.run"},
		{"only an update", "", two, "2", 0, "", "shop.journal shop.lock shop.run"},
		{"only a bad update", "", refuses, "", 1114, "GetExtensionVersion returned FALSE", "shop.failed shop.failed.txt shop.journal shop.lock"},
		{"no library", garbage, "", "", 193, "shop.run: a text or source file", "shop.failed.txt shop.journal shop.lock shop.run"},
		{"no library, but an update", garbage, two, "2", 0, "", "shop.journal shop.lock shop.run"},
		{"refuses", refuses, "", "", 1114, "GetExtensionVersion returned FALSE", "shop.failed.txt shop.journal shop.lock shop.run"},
		{"both bad", garbage, refuses, "", 1114, "shop.run: a text or source file", "shop.failed shop.failed.txt shop.journal shop.lock shop.run"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := install(t, test.run)
			if test.update != "" {
				h.put(test.update, "shop.update")
			}
			err := h.open(false)
			switch {
			case test.says != "" && err != nil:
				t.Fatal(err)
			case test.says != "":
				h.says("", test.says)
			case err == nil || !strings.HasSuffix(err.Error(), fmt.Sprintf("GetExtensionVersion returned FALSE; its last error is %d", test.lastError)):
				t.Errorf("got %v, want last error %d", err, test.lastError)
			}
			if text := h.read("shop.failed.txt"); !strings.Contains(text, test.failed) || test.failed == "" && text != "" {
				t.Errorf("shop.failed.txt: %s", text)
			}
			if files := strings.TrimSpace(strings.NewReplacer("go life", "", "shop.loader", "", "shop.so", "").Replace(h.files())); strings.Join(strings.Fields(files), " ") != test.files {
				t.Errorf("files %q, want %q", files, test.files)
			}
		})
	}
}

// TestPlace: the environment may say in which folder the files are, and what is not said there.
func TestPlace(t *testing.T) {
	other := install(t, build(t, 2), "mode = overlap")
	h := install(t, build(t, 1), "mode = sideways")
	h.env = []string{"ISAPILOADER_DIR=" + other.folder, "ISAPILOADER_MODE=hold"}
	h.start(true)
	h.says("", "2")
	other.put(build(t, 3), "shop.update")
	h.becomes("3", "2")
	if !h.same("shop.run", build(t, 1)) {
		t.Error("the other folder was changed")
	}
}

// TestSettings: what is wrong in them is told, and nothing is loaded.
func TestSettings(t *testing.T) {
	for line, want := range map[string]string{
		"mode = sideways": `line 2: mode \"sideways\" is unknown; use overlap or hold`,
		"poll = 1ms":      `line 2: poll is \"1ms\"; use a time from 10ms to 1h, such as 30s`,
		"\nwait = 30":     `line 3: wait is \"30\"; use a time from 100ms to 1h, such as 30s`,
		"backups = -1":    `line 2: backups is \"-1\"; use a number from 0 to 100`,
		"colour = red":    `line 2: \"colour\" is unknown; there are mode, poll, wait and backups`,
	} {
		h := install(t, build(t, 1), line)
		stderr := h.capture()
		err := h.open(false)
		if err == nil || !strings.HasSuffix(err.Error(), "its last error is 13") {
			t.Errorf("%s: got %v", line, err)
		}
		if text := stderr(); !strings.Contains(text, want) {
			t.Errorf("%s: it says %q, want %q", line, text, want)
		}
	}
}

// TestBackups: as many are kept as the settings say.
func TestBackups(t *testing.T) {
	h := install(t, build(t, 1), "# two are enough", "", "Backups=2")
	h.start(false)
	for n := 2; n <= 5; n++ {
		h.put(build(t, n), "shop.update")
		h.becomes(fmt.Sprint(n), fmt.Sprint(n-1))
	}
	if !h.same("shop.backup", build(t, 4)) || !h.same("shop.backup.2", build(t, 3)) || h.exists("shop.backup.3") {
		t.Errorf("files %s", h.files())
	}
}
