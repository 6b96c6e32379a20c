package extension

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor/executortest"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/testext"
)

// docs/conformance.md has a row for each code, says of each what is so, and names tests that exist.
func TestConformanceDocument(t *testing.T) {
	root := testext.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "conformance.md"))
	if err != nil {
		t.Fatal(err)
	}
	inSuite := suiteNames(t, filepath.Join(root, "internal", "executor", "executortest"), filepath.Join(root, "e2e", "filters"))
	goTests := goTestNames(t, filepath.Join(root, "internal"), filepath.Join(root, "e2e"))
	rows := map[isapi.Code]int{}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| What") || strings.HasPrefix(line, "| Code") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		test := cells[len(cells)-1]
		for _, part := range strings.SplitN(test, "/", 2) {
			if !inSuite[part] && !goTests[part] {
				t.Errorf("test %q: no %q in the suite", test, part)
			}
		}
		if len(cells) != 5 {
			continue
		}
		n, err := strconv.ParseUint(cells[0], 10, 32)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		code := isapi.Code(n)
		rows[code]++
		if code.String() != cells[1] {
			t.Errorf("code %d is called %s, want %s", n, cells[1], code)
		}
		if want := inTable(executortest.Works(code)); cells[2] != want {
			t.Errorf("%s: the table says %s, the code %s", code, cells[2], want)
		}
	}
	for _, code := range isapi.Codes() {
		if rows[code] != 1 {
			t.Errorf("%s has %d rows, want 1", code, rows[code])
		}
		works, onWindows := executortest.Works(code)
		if onWindows {
			works = runtime.GOOS == "windows"
		}
		if works != (supported[code] != nil) {
			t.Errorf("%s: the suite and the code do not agree on whether it works", code)
		}
		delete(rows, code)
	}
	for code := range rows {
		t.Errorf("row for %d, which is no code", code)
	}
}

// inTable is what the table says of a code.
func inTable(works, onWindows bool) string {
	switch {
	case onWindows:
		return "works on Windows"
	case works:
		return "works"
	}
	return "refused"
}

// suiteNames has every string in the source of the suites: the names of subjects and of subtests are among them.
func suiteNames(t *testing.T, dirs ...string) map[string]bool {
	names := map[string]bool{}
	for _, file := range sources(t, "*.go", dirs) {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil {
					names[s] = true
				}
			}
			return true
		})
	}
	return names
}

var goTest = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

func goTestNames(t *testing.T, dirs ...string) map[string]bool {
	names := map[string]bool{}
	for _, file := range sources(t, filepath.Join("*", "*_test.go"), dirs) {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range goTest.FindAllSubmatch(source, -1) {
			names[string(m[1])] = true
		}
	}
	return names
}

// sources are the files of that kind in all of the folders, which must have some.
func sources(t *testing.T, pattern string, dirs []string) (all []string) {
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(files) == 0 {
			t.Fatal(dir, err)
		}
		all = append(all, files...)
	}
	return all
}
