package admin

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/hub"
)

const documentation = "../../docs/control-api.md"

// TestDocumentation compares docs/control-api.md with the types, the paths and the limits.
func TestDocumentation(t *testing.T) {
	data, err := os.ReadFile(documentation)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)

	types := map[string][]string{}
	for _, in := range []any{Error{}, PoolRequest{}, PoolResult{}, ReloadResult{}, DrainResult{}, RollbackRequest{}, SwapLine{}, HistoryRequest{}, HistoryResult{}, CrashesResult{}, RecordRequest{}, Status{}} {
		describe(types, reflect.TypeOf(in))
	}
	compare(t, "types", documentedTypes(text), types)

	paths := map[string][]string{}
	for path, r := range routes {
		paths[path] = []string{r.method}
	}
	written := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| ([A-Z]+) \\| `(/[^`]+)` \\|").FindAllStringSubmatch(text, -1) {
		written[m[2]] = []string{m[1]}
	}
	compare(t, "paths", written, paths)

	for _, limit := range []string{
		fmt.Sprintf("%v s to be sent", readLimit.Seconds()), fmt.Sprintf("%d KiB of headers", maxHeader>>10), fmt.Sprintf("%d KiB of\nbody", maxRequest>>10),
		fmt.Sprintf("%v min later", reloadLimit.Minutes()), fmt.Sprintf("up to %d bytes", maxReason),
		fmt.Sprintf("Up to %d can look", hub.Most), fmt.Sprintf("takes nothing for\n%v s", writeLimit.Seconds()), fmt.Sprintf("others may not read, %d to %d visible", minToken, maxToken),
		fmt.Sprintf("up to %d GiB", maxFile>>30), fmt.Sprintf("stand still for %v s", stallLimit.Seconds()), fmt.Sprintf("for %v h", leftAfter.Hours()),
	} {
		if !strings.Contains(text, limit) {
			t.Errorf("%s has no %q", documentation, limit)
		}
	}
}

func compare(t *testing.T, what string, doc, code map[string][]string) {
	t.Helper()
	for name, fields := range code {
		if !slices.Equal(doc[name], fields) {
			t.Errorf("%s of %s: %s has %q, the code %q", what, name, documentation, doc[name], fields)
		}
	}
	for name := range maps.Keys(doc) {
		if code[name] == nil {
			t.Errorf("%s: %s has %q, which is not in the code", what, documentation, name)
		}
	}
}

// documentedTypes are the rows of the tables of fields: the name, with a star if it may be missing, and the type. The heading above a
// table names the type.
func documentedTypes(text string) map[string][]string {
	row := regexp.MustCompile("^\\| `([a-z0-9_]+)`(\\*?) \\| ([^|]+) \\|")
	link := regexp.MustCompile("\\[`([A-Za-z]+)`\\]\\(#[a-z0-9-]+\\)")
	all := map[string][]string{}
	heading := ""
	for line := range strings.Lines(text[strings.Index(text, "\n## Types\n"):]) {
		if h, ok := strings.CutPrefix(line, "### "); ok {
			heading = strings.TrimSpace(h)
		}
		if m := row.FindStringSubmatch(line); m != nil {
			all[heading] = append(all[heading], m[1]+m[2]+" "+link.ReplaceAllString(m[3], "$1"))
		}
	}
	return all
}

// describe adds type t, a struct, and those of its fields, in the words of the documentation.
func describe(all map[string][]string, t reflect.Type) {
	if all[t.Name()] != nil {
		return
	}
	all[t.Name()] = []string{}
	for _, f := range reflect.VisibleFields(t) {
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || f.Anonymous {
			continue
		}
		if option == "omitempty" {
			name += "*"
		}
		all[t.Name()] = append(all[t.Name()], name+" "+typeName(all, f.Type))
	}
}

func typeName(all map[string][]string, t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(all, t.Elem())
	case reflect.Slice:
		return "list of " + typeName(all, t.Elem())
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64, reflect.Float64:
		return "number"
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return "time"
		}
		describe(all, t)
		return t.Name()
	default:
		return "unknown " + t.String()
	}
}

// TestDocumentedErrors: every status of an error that the code names has its row, and the other way round.
func TestDocumentedErrors(t *testing.T) {
	data, err := os.ReadFile(documentation)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var code []byte
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "_test.go") {
			code = append(code, text...)
		}
	}
	numbers := map[string]string{
		"BadRequest": "400", "Unauthorized": "401", "Forbidden": "403", "NotFound": "404", "MethodNotAllowed": "405", "Conflict": "409", "RequestEntityTooLarge": "413",
		"UnprocessableEntity": "422", "InternalServerError": "500", "InsufficientStorage": "507",
	}
	used, written := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`http\.Status([A-Z]\w+)`).FindAllSubmatch(code, -1) {
		if name := string(m[1]); name != "OK" {
			used[numbers[name]] = true
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d{3}) \|`).FindAllSubmatch(data, -1) {
		written[string(m[1])] = true
	}
	if !maps.Equal(used, written) {
		t.Errorf("%s has the errors %v, the code %v", documentation, written, used)
	}
}
