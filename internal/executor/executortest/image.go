package executortest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// livingImage is a fixture that tells of its life (testdata/ext/life.h), in a folder of its own.
type livingImage struct {
	t    *testing.T
	path string
}

// newLiving copies a fixture; say are the words that change what it does.
func (s *suite) newLiving(t *testing.T, fixture, say string) *livingImage {
	t.Helper()
	i := &livingImage{t: t, path: filepath.Join(t.TempDir(), fixture+s.ending())}
	i.replace(s.fixture(t, fixture))
	i.write("life", "")
	i.write("go", "")
	i.write("say", say)
	return i
}

// replace gives the image another content, in a new file.
func (i *livingImage) replace(library string) {
	i.t.Helper()
	b, err := os.ReadFile(library)
	if err != nil {
		i.t.Fatal(err)
	}
	_ = os.Remove(i.path) // not there at first
	i.write(filepath.Base(i.path), string(b))
}

// write puts a file beside the image.
func (i *livingImage) write(name, content string) {
	i.t.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(i.path), name), []byte(content), 0o700); err != nil {
		i.t.Fatal(err)
	}
}

// event is one line of its life.
type event struct{ what, thread string }

// life is what happened so far.
func (i *livingImage) life() (events []event) {
	i.t.Helper()
	b, err := os.ReadFile(filepath.Join(filepath.Dir(i.path), "life"))
	if err != nil {
		i.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		at := strings.LastIndexByte(line, ' ')
		events = append(events, event{line[:at], strings.TrimSpace(line[at:])})
	}
	return events
}

// text is the events without their threads.
func text(events []event) string {
	var all []string
	for _, e := range events {
		all = append(all, e.what)
	}
	return strings.Join(all, ", ")
}
