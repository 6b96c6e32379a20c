package site

import (
	"fmt"
	"strings"
	"testing"
)

// updateFiles are what updates of proposal.so and proposal.dll may leave beside them, under the short and the long name.
var updateFiles = []string{
	"proposal.update", "proposal.run", "proposal.backup", "proposal.backup.2", "proposal.backup.12", "proposal.failed", "proposal.failed.txt",
	"proposal.journal", "proposal.lock", "proposal.update.tmp", "proposal.failed.txt.tmp", "proposal.so.backup.tmp", "proposal.journal.tmp", "PROPOSAL.Update", "PROPOSAL.FAILED.TXT", "proposal.failed.2", "proposal.failed.2.txt",
	"proposal.so.update", "proposal.so.run", "proposal.so.backup", "proposal.so.backup.12", "proposal.so.failed", "proposal.so.failed.txt",
	"proposal.dll.update", "proposal.dll.backup.2", "proposal.dll.failed.txt", "proposal.dll.journal", "proposal.dll.lock",
	".well-known/proposal.failed.txt", "gone.failed.txt",
}

// everyType gives all of their extensions a type.
const everyType = "mime: {.update: a/b, .run: a/b, .backup: a/b, .failed: a/b, .journal: a/b, .lock: a/b, .tmp: a/b, .txt: text/plain, .2: a/b, .12: a/b}\n"

// neighbours are files that only look a little like them.
var neighbours = []string{"notes.txt", "failed.txt", "update.txt", "proposal.backup.html", "backup.2", "a.12", "proposal.update.notes.txt", "run"}

func TestUpdateFilesAreNeverServed(t *testing.T) {
	for name, handlers := range map[string]string{
		"no handler":         "[]",
		"static":             `[{path: "*", static: true}]`,
		"images":             `[{path: "*.so", isapi: true}, {path: "*.dll", isapi: true}, {path: "*.%s", isapi: true}]`,
		"scripts":            `[{path: "*.%s", extension: www/engine.so}]`,
		"scripts that exist": `[{path: "*.%s", extension: www/engine.so, must_exist: true}]`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, ext := range []string{"update", "run", "backup", "failed", "journal", "lock", "txt", "tmp", "2", "12"} {
				text := handlers
				if strings.Contains(text, "%s") {
					text = fmt.Sprintf(handlers, ext)
				} else if ext != "txt" {
					continue // the same again
				}
				f := start(t, append([]string{"proposal.so", "proposal.dll", "engine.so"}, updateFiles...), everyType+"applications: [{path: /, handlers: "+text+"}]\n")
				for _, file := range updateFiles {
					for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
						resp := f.raw(method, "/"+file)
						if resp.StatusCode != 404 || strings.Contains(resp.body, file) {
							t.Errorf("*.%s: %s /%s: got %s %q, want 404", ext, method, file, resp.Status, resp.body)
						}
					}
					if resp := f.get("/" + file + "/path/info"); resp.StatusCode != 404 {
						t.Errorf("*.%s: GET /%s/path/info: got %s %q, want 404", ext, file, resp.Status, resp.body)
					}
				}
			}
		})
	}
}

func TestNeighboursOfUpdateFiles(t *testing.T) {
	f := start(t, append([]string{"engine.so"}, neighbours...), everyType+`
applications:
  - path: /
    handlers: [{path: "*.run", extension: www/engine.so}]
  - path: /jobs
    handlers: [{path: "*", extension: www/engine.so}]
`)
	for _, file := range neighbours {
		if belongsToUpdate(file) {
			t.Errorf("%q is taken for a file of an update", file)
		}
		if strings.Contains(file, ".") {
			if resp := f.get("/" + file); resp.StatusCode != 200 || resp.body != file {
				t.Errorf("GET /%s: got %s %q, want the file", file, resp.Status, resp.body)
			}
		}
	}
	// URLs are not files: an extension may give them any name.
	for target, script := range map[string]string{"/virtual.run/x": "/virtual.run", "/jobs/proposal.backup": "/jobs"} {
		if l := f.landed("GET", target); l.ScriptName != script {
			t.Errorf("GET %s: got %+v, want the script %s", target, l, script)
		}
	}
}
