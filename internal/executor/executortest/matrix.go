package executortest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/isapid/isapid/internal/testext"
)

// Behaviour is one way in which an extension harms the process it runs in, and what comes of it: a row of
// docs/fault-matrix.md. An executor's test of the matrix runs it as it is loaded by real users: in a process of its own,
// over HTTP.
type Behaviour struct {
	Name    string // the row
	Doc     string // the bug in real extensions it stands for
	Fixture string // in testdata/ext
	As      string // file name of the image without .so, for fixtures that look at it; "" for the fixture's own
	When    When

	Method, Query, Body string // of the request that does it; Method "" is GET

	InProcess, Isolated Expectation
}

// When is the part of an extension's life in which it does harm.
type When int

// A fixture that does harm outside of requests answers all of them 200.
const (
	InRequest When = iota
	AtLoad
	AtUnload
)

// Expectation is what comes of a [Behaviour] with one kind of executor.
type Expectation struct {
	Survives bool   // the same server goes on to answer for this extension (unless it was not loaded) and for others
	Status   []int  // what the client sees, one of these: an HTTP status, Broken or NoAnswer. Only of InRequest
	Log      string // a piece of the log, or of the error of Open or Close; "" if none is to be expected
	Replaced bool   // another worker runs the requests that come next. Only of Isolated
	Note     string // what else the operator reads, or should know
}

// What a client may see in place of a status.
const (
	Broken   = 0  // the connection ends without an answer, or in the middle of one
	NoAnswer = -1 // nothing, for as long as it waits
)

// Image compiles the fixture and answers the library, under the name it is to have.
func (b *Behaviour) Image(t testing.TB) string {
	t.Helper()
	lib := testext.Fixture(t, b.Fixture)
	if b.As == "" {
		return lib
	}
	return renamed(t, lib, b.As)
}

// renamed is a copy of a library that is called name.so.
func renamed(t testing.TB, lib, name string) string {
	t.Helper()
	code, err := os.ReadFile(lib)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name+filepath.Ext(lib))
	if err := os.WriteFile(path, code, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}
