package metrics

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/testext"
)

func file(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testext.Root(t), filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestDocs: docs/metrics.md has a row for each metric, with its type and its labels, and none besides.
func TestDocs(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `(isapid_[a-z_]+)` \\| (\\w+) \\|([^|]*)\\| [^|]+ \\|.*\\|$")
	word := regexp.MustCompile("`([^`]+)`")
	documented := map[string]bool{}
	known := map[string]*family{}
	for _, f := range families {
		known[f.name] = f
	}
	for _, r := range row.FindAllStringSubmatch(file(t, "docs/metrics.md"), -1) {
		f := known[r[1]]
		if f == nil {
			t.Errorf("docs/metrics.md explains %s, which does not exist", r[1])
			continue
		}
		if documented[f.name] {
			t.Errorf("%s has two rows", f.name)
		}
		documented[f.name] = true
		var labels []string
		for _, l := range word.FindAllStringSubmatch(r[3], -1) {
			labels = append(labels, l[1])
		}
		if r[2] != string(f.kind) || !slices.Equal(labels, f.labels) {
			t.Errorf("%s is a %s with %v, docs/metrics.md says a %s with %v", f.name, f.kind, f.labels, r[2], labels)
		}
	}
	for _, f := range families {
		if !documented[f.name] {
			t.Errorf("docs/metrics.md does not explain %s", f.name)
		}
	}
	if strings.Contains(file(t, "docs/metrics.md"), "\t") {
		t.Error("docs/metrics.md has a tab")
	}
}

// TestFamilies: what is collected is in the table, by the conventions.
func TestFamilies(t *testing.T) {
	for _, f := range families {
		total := strings.HasSuffix(f.name, "_total")
		if total != (f.kind == counts) || f.help == "" || !strings.HasSuffix(f.help, ".") {
			t.Errorf("%+v", f)
		}
	}
	if strings.Count(file(t, "internal/metrics/families.go"), "= family{") != len(families) {
		t.Error("a family is not in the list")
	}
}

// used are the metrics and labels that a query names, by what stands before a brace or is not a word of the language.
var used = regexp.MustCompile(`\b(?:isapid|go|process)_[a-z0-9_]+\b`)

// TestQueries: the board and the alerts ask for metrics that exist, and by labels that those have.
func TestQueries(t *testing.T) {
	var queries []string
	var board any
	if err := json.Unmarshal([]byte(file(t, "packaging/grafana/isapid.json")), &board); err != nil {
		t.Fatal(err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			for k, x := range v {
				if s, ok := x.(string); ok && (k == "expr" || k == "definition" || k == "query") {
					queries = append(queries, s)
				}
				walk(x)
			}
		}
	}
	walk(board)
	if len(queries) < 30 {
		t.Errorf("the board has %d queries", len(queries))
	}
	rules := regexp.MustCompile(`(?m)^ +expr: (\|\n(?:          .*\n)+|.*)`).FindAllStringSubmatch(file(t, "packaging/prometheus/isapid.rules.yml"), -1)
	if len(rules) < 10 {
		t.Errorf("there are %d alerts", len(rules))
	}
	for _, r := range rules {
		queries = append(queries, r[1])
	}
	known := map[string][]string{"go_memstats_heap_inuse_bytes": nil, "process_cpu_seconds_total": nil, "process_resident_memory_bytes": nil}
	asked := map[string]bool{}
	for _, f := range families {
		known[f.name] = f.labels
		if f.kind == histograms {
			delete(known, f.name)
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				known[f.name+suffix] = append(f.labels[:len(f.labels):len(f.labels)], "le")
			}
		}
	}
	selector := regexp.MustCompile(`([a-z_]+)\{([^}]*)\}`)
	label := regexp.MustCompile(`([a-z_]+)(?:=~|!=|=|!~)"`)
	for _, q := range queries {
		for _, name := range used.FindAllString(q, -1) {
			asked[name] = true
			if _, ok := known[name]; !ok {
				t.Errorf("%s does not exist: %s", name, q)
			}
		}
		for _, s := range selector.FindAllStringSubmatch(q, -1) {
			for _, l := range label.FindAllStringSubmatch(s[2], -1) {
				if !slices.Contains(append(known[s[1]], "instance", "job"), l[1]) {
					t.Errorf("%s has no label %s: %s", s[1], l[1], q)
				}
			}
		}
	}
	for _, name := range []string{"isapid_requests_total", "isapid_request_duration_seconds_bucket", "isapid_worker_crashes_total", "isapid_api_calls_total"} {
		if !asked[name] {
			t.Errorf("nothing asks for %s", name)
		}
	}
}

// TestNames: what answers is in the table, and has a help and a type; the rest is of Go and the process.
func TestNames(t *testing.T) {
	m := New(nil)
	m.Ended(&Facts{Status: 200})
	known := map[string]bool{}
	for _, f := range families {
		known[f.name] = true
	}
	var goes, processes int
	for _, h := range regexp.MustCompile(`(?m)^# TYPE (\w+) `).FindAllStringSubmatch(text(t, m, Sources{Status: status}), -1) {
		switch {
		case strings.HasPrefix(h[1], "go_"):
			goes++
		case strings.HasPrefix(h[1], "process_"):
			processes++
		case !known[h[1]]:
			t.Errorf("%s is not in the table", h[1])
		}
	}
	if goes < 10 || processes < 1 {
		t.Errorf("%d of Go, %d of the process", goes, processes)
	}
}
