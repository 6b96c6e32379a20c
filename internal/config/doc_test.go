package config

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// These tests hold docs/config.md to the code, which they ask: for the keys it knows by giving it one it cannot know, for
// a default by setting it.

const documentation = "../../docs/config.md"

// documented is a row of the documentation.
type documented struct {
	value string // the default as YAML; "" where the row has words instead
	words string
}

var (
	docHeading = regexp.MustCompile("^##+ `(.+)`$")
	docRow     = regexp.MustCompile("^\\| `([a-z0-9_]+)` \\|[^|]+\\| ([^|]+) \\|[^|]*\\|[^|]+\\|$")
	docValue   = regexp.MustCompile("^`([^`]+)`$")
)

// topLevel is the heading of the table of keys that are not in another one.
const topLevel = "## At the top level"

// readDocumentation answers the rows of all tables of keys.
func readDocumentation(t *testing.T) (rows map[string]documented) {
	t.Helper()
	data, err := os.ReadFile(documentation)
	if err != nil {
		t.Fatal(err)
	}
	rows = map[string]documented{}
	prefix, isTable := "", false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "##") {
			prefix, isTable = "", line == topLevel
			if m := docHeading.FindStringSubmatch(line); m != nil {
				prefix, isTable = m[1]+".", true
			}
		}
		if m := docRow.FindStringSubmatch(line); m != nil && isTable {
			row := documented{words: m[2]}
			if v := docValue.FindStringSubmatch(m[2]); v != nil {
				row = documented{value: v[1]}
			}
			rows[prefix+m[1]] = row
		}
	}
	return rows
}

func TestDocumentedKeys(t *testing.T) {
	rows := readDocumentation(t)
	known := knownKeys(t, folder(t), "")
	if len(known) < 90 {
		t.Fatalf("found only %d keys in the code: %q", len(known), known)
	}
	compareLists(t, "key", known, slices.Collect(maps.Keys(rows)))
}

// inTwo takes the key off a full name; what is left is "" at the top level.
func inTwo(name string) (path, key string) {
	i := strings.LastIndexByte(name, '.')
	return name[:max(i, 0)], name[i+1:]
}

func compareLists(t *testing.T, what string, code, doc []string) {
	t.Helper()
	for _, key := range code {
		if !slices.Contains(doc, key) {
			t.Errorf("%s %q is missing in %s", what, key, documentation)
		}
	}
	for _, key := range doc {
		if !slices.Contains(code, key) {
			t.Errorf("%s has the %s %q, which the code does not know", documentation, what, key)
		}
	}
}

// extensionOfHandler is needed in base, where it is the one of three keys that says what the handler runs.
const extensionOfHandler = "sites[].applications[].handlers[].extension"

// TestDocumentedDefaults sets every key to its documented default, which must change nothing, and leaves out those that are
// said to be needed, which must be an error.
func TestDocumentedDefaults(t *testing.T) {
	dir := folder(t)
	rows := readDocumentation(t)
	for name, row := range rows {
		path, key := inTwo(name)
		root := baseFor(name)
		place := object(t, root, path)
		delete(place, key)
		without, err := parseValue(t, dir, root)
		switch needed := row.words == "needed"; {
		case needed && err == nil:
			t.Errorf("%s says that %q is needed, but it can be left out", documentation, name)
		case !needed && err != nil && name != extensionOfHandler:
			t.Errorf("%s does not say that %q is needed, but without it: %v", documentation, name, err)
		}
		if row.value == "" {
			continue
		}
		var value any
		if err := yaml.Unmarshal([]byte(row.value), &value); err != nil {
			t.Errorf("default %q of %q: %v", row.value, name, err)
			continue
		}
		place[key] = value
		got, err := parseValue(t, dir, root)
		if err != nil {
			t.Errorf("default %q of %q: %v", row.value, name, err)
			continue
		}
		if g, w := asText(t, got), asText(t, without); g != w {
			t.Errorf("default of %q is documented as %q, but setting it makes a difference:\n got %s\nwant %s", name, row.value, g, w)
		}
	}
}

// asText takes an empty list for none.
func asText(t *testing.T, c *Config) string {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "null", "[]")
}

// TestExampleIsDocumented: what the example shows a default for has that default in the documentation too.
func TestExampleIsDocumented(t *testing.T) {
	rows := readDocumentation(t)
	var example map[string]any
	if err := yaml.Unmarshal([]byte(Example), &example); err != nil {
		t.Fatal(err)
	}
	pools := example["pools"].(map[string]any)
	maps.Copy(pools["fast"].(map[string]any), pools["default"].(map[string]any)) // it shows a key of in-process pools alone
	pools["default"] = pools["fast"]
	seen := 0
	for name, row := range rows {
		path, key := inTwo(name)
		place, ok := lookup(example, path)
		if !ok {
			continue
		}
		if _, shown := place[key]; !shown {
			continue
		}
		seen++
		switch {
		case row.value != "", row.words == "needed", name == "sites[].id", name == "sites[].applications":
		default:
			t.Errorf("the example has a default for %q, but %s says %q", name, documentation, row.words)
		}
	}
	if seen < 60 {
		t.Errorf("only %d documented keys are in the example", seen)
	}
}
