package executortest

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/testext"
)

// docs/fault-matrix.md has the rows of Matrix and of MatrixOfDLLs, in their order, and no others.
func TestMatrixDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testext.Root(t), "docs", "fault-matrix.md"))
	if err != nil {
		t.Fatal(err)
	}
	tables := strings.Split(string(text), "\n|---|---|---|---|---|---|\n")
	if len(tables) != 3 {
		t.Fatalf("the page has %d tables of six columns, want 2", len(tables)-1)
	}
	t.Run("libraries", func(t *testing.T) { testTable(t, tables[1], Matrix, ".so") })
	t.Run("DLLs", func(t *testing.T) { testTable(t, tables[2], MatrixOfDLLs, ".dll") })
}

// testTable compares the rows of a table, which ends with an empty line, with a matrix of images that are called so.
func testTable(t *testing.T, table string, matrix []Behaviour, ext string) {
	table, _, _ = strings.Cut(table, "\n\n")
	got, want := strings.Split(strings.TrimSpace(table), "\n"), []string(nil)
	for i := range matrix {
		want = append(want, matrixRow(&matrix[i], ext))
	}
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got) || i >= len(want):
			t.Errorf("the page has %d rows, want %d", len(got), len(want))
		case got[i] != want[i]:
			t.Errorf("row %d is\n%s\nwant\n%s", i+1, got[i], want[i])
		default:
			continue
		}
		t.Fatalf("all rows are to be:\n%s", strings.Join(want, "\n"))
	}
}

// matrixRow is a behaviour as the page shows it.
func matrixRow(b *Behaviour, ext string) string {
	how := "`" + b.Fixture + "`"
	if b.As != "" {
		how += " as `" + b.As + ext + "`"
	}
	if b.Query != "" {
		how = "`" + b.Fixture + "?" + b.Query + "`"
	}
	cells := []string{
		b.Name + "<br>" + how, b.Doc, clientSees(b.InProcess.Status), operatorReads(&b.InProcess), clientSees(b.Isolated.Status),
		operatorReads(&b.Isolated),
	}
	return "| " + strings.Join(cells, " | ") + " |"
}

func clientSees(status []int) string {
	var words []string
	for _, s := range status {
		switch s {
		case Broken:
			words = append(words, "a break")
		case NoAnswer:
			words = append(words, "no answer")
		default:
			words = append(words, fmt.Sprint(s))
		}
	}
	if words == nil {
		return "–"
	}
	return strings.Join(words, " or ")
}

func operatorReads(e *Expectation) string {
	if !e.Survives {
		return "**use isolated**: " + e.Note
	}
	var parts []string
	if e.Log != "" {
		parts = append(parts, "`"+e.Log+"`")
	}
	if e.Replaced {
		parts = append(parts, "the worker is replaced")
	}
	if e.Note != "" {
		parts = append(parts, e.Note)
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}

// Every row can be run, and says what is to come of it.
func TestMatrixRows(t *testing.T) {
	t.Run("libraries", func(t *testing.T) { testRows(t, Matrix) })
	t.Run("DLLs", func(t *testing.T) { testRows(t, MatrixOfDLLs) })
}

func testRows(t *testing.T, matrix []Behaviour) {
	names, ways := map[string]bool{}, map[string]bool{}
	for _, b := range matrix {
		way := fmt.Sprint(b.Fixture, b.As, b.Method, b.Query)
		if names[b.Name] || ways[way] {
			t.Errorf("%s: there twice", b.Name)
		}
		names[b.Name], ways[way] = true, true
		if b.Name == "" || b.Doc == "" {
			t.Errorf("%+v: the name or what it stands for is missing", b)
		}
		if strings.ContainsAny(b.Name+b.Doc+b.InProcess.Note+b.Isolated.Note+b.InProcess.Log+b.Isolated.Log, "|\n") {
			t.Errorf("%s: cannot be in a table", b.Name)
		}
		if !b.Isolated.Survives {
			t.Errorf("%s: nothing is to end a front", b.Name)
		}
		if b.InProcess.Replaced {
			t.Errorf("%s: there is no worker in-process", b.Name)
		}
		for _, e := range []Expectation{b.InProcess, b.Isolated} {
			if (b.When == InRequest) != (len(e.Status) > 0) {
				t.Errorf("%s: a status is for requests, and every request has one", b.Name)
			}
			for _, s := range e.Status {
				if s > 0 && http.StatusText(s) == "" {
					t.Errorf("%s: %d is no status", b.Name, s)
				}
			}
		}
	}
}
