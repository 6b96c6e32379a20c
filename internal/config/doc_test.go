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
	docRow     = regexp.MustCompile("^\\| `([a-z_]+)` \\|[^|]+\\| ([^|]+) \\|[^|]*\\|[^|]+\\|$")
	docValue   = regexp.MustCompile("^`([^`]+)`$")
	docLater   = regexp.MustCompile("`([a-z_.<>\\[\\]]+)`[,.]")
)

// readDocumentation answers the rows of all tables of keys, and the keys that are to come.
func readDocumentation(t *testing.T) (rows map[string]documented, later []string) {
	t.Helper()
	data, err := os.ReadFile(documentation)
	if err != nil {
		t.Fatal(err)
	}
	rows = map[string]documented{}
	heading, isLater := "", false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "##") {
			heading, isLater = "", line == "## Keys of later releases"
			if m := docHeading.FindStringSubmatch(line); m != nil {
				heading = m[1]
			}
		}
		if m := docRow.FindStringSubmatch(line); m != nil && heading != "" {
			row := documented{words: m[2]}
			if v := docValue.FindStringSubmatch(m[2]); v != nil {
				row = documented{value: v[1]}
			}
			rows[heading+"."+m[1]] = row
		}
		if isLater {
			for _, m := range docLater.FindAllStringSubmatch(line, -1) {
				later = append(later, m[1])
			}
		}
	}
	return rows, later
}

func TestDocumentedKeys(t *testing.T) {
	rows, later := readDocumentation(t)
	known, refused := knownKeys(t, folder(t), "")
	if len(known) < 90 || len(refused) == 0 {
		t.Fatalf("found only %d keys in the code, and %d to come: %q %q", len(known), len(refused), known, refused)
	}
	compareLists(t, "key", known, slices.Collect(maps.Keys(rows)))
	compareLists(t, "key of a later release", refused, later)
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
	rows, _ := readDocumentation(t)
	for name, row := range rows {
		i := strings.LastIndexByte(name, '.')
		path, key := name[:i], name[i+1:]
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
	rows, _ := readDocumentation(t)
	var example map[string]any
	if err := yaml.Unmarshal([]byte(Example), &example); err != nil {
		t.Fatal(err)
	}
	pools := example["pools"].(map[string]any)
	maps.Copy(pools["fast"].(map[string]any), pools["default"].(map[string]any)) // it shows a key of in-process pools alone
	pools["default"] = pools["fast"]
	seen := 0
	for name, row := range rows {
		i := strings.LastIndexByte(name, '.')
		place, ok := lookup(example, name[:i])
		if !ok {
			continue
		}
		if _, shown := place[name[i+1:]]; !shown {
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
