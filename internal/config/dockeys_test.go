package config

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// nobodysKey is so long that the error for it suggests no other key but lists them all.
var nobodysKey = strings.Repeat("z", 65)

var unknownKey = `unknown key "` + nobodysKey

// base is a configuration that has one of everything, so that there is a place for every key.
func base() map[string]any {
	return map[string]any{
		"sites": []any{map[string]any{
			"name": "a", "root": "wwwroot", "images": map[string]any{}, "limits": map[string]any{}, "log": map[string]any{},
			"virtual_directories": []any{map[string]any{"path": "/img", "directory": "other"}},
			"error_pages":         map[string]any{"404": map[string]any{"path": "404.html"}},
			"applications": []any{map[string]any{
				"path":           "/",
				"handlers":       []any{map[string]any{"path": "*.asp", "extension": "a.so"}},
				"authentication": map[string]any{"basic": map[string]any{"realm": "a", "users": "404.html"}},
			}},
		}},
		"pools": map[string]any{"default": map[string]any{
			"mode": "isolated", "rlimits": map[string]any{}, "sandbox": map[string]any{"read": []any{}, "write": []any{}},
			"health": map[string]any{}, "recycle": map[string]any{}, "crashes": map[string]any{}, "orphan": map[string]any{},
			"update": map[string]any{"verify": map[string]any{"path": "/health"}},
		}},
		"images": map[string]any{}, "wine": map[string]any{}, "limits": map[string]any{}, "crashes": map[string]any{}, "metrics": map[string]any{},
		"log":     map[string]any{"access": map[string]any{"file": "a.log", "rotate": map[string]any{}}},
		"tracing": map[string]any{"otlp": "http://127.0.0.1:4318"},
		"control": map[string]any{"listen": ":9443", "certificate": "cert.pem", "key": "key.pem", "tokens": []any{map[string]any{"file": "404.html"}}},
	}
}

// baseFor is base with a pool in which the key of the given full name may stand.
func baseFor(name string) map[string]any {
	root := base()
	pools := root["pools"].(map[string]any)
	switch name {
	case "sites[].applications[].authentication.basic.users":
		root["filters"] = []any{"a.so"} // which could say who comes in
	case "control.listen", "control.certificate", "control.key", "control.tokens": // only together
		root["control"] = map[string]any{}
	case "log.access.file": // needed, without a directory
		root["log"].(map[string]any)["access"] = map[string]any{"directory": "other"}
	case "pools.<name>.mode":
		pools["default"] = map[string]any{}
	case "pools.<name>.on_fault":
		pools["default"] = map[string]any{"mode": "in-process"}
	case "pools.<name>.idle_timeout":
		pools["default"] = map[string]any{"mode": "isolated", "start": "on-demand"}
	case "pools.<name>.update.canary_time":
		pools["default"] = map[string]any{"update": map[string]any{"canary": "10%"}}
	}
	return root
}

// entryOf is the one entry that base has of a mapping whose keys are the user's.
var entryOf = map[string]string{"<name>": "default", "<status>": "404"}

// object finds the mapping that a path like "sites[].limits" means.
func object(t *testing.T, root map[string]any, path string) map[string]any {
	t.Helper()
	m, ok := lookup(root, path)
	if !ok {
		t.Fatalf("there is no %q in the configuration of this test; add it to base", path)
	}
	return m
}

func lookup(root map[string]any, path string) (m map[string]any, ok bool) {
	if path == "" {
		return root, true
	}
	var at any = root
	for step := range strings.SplitSeq(path, ".") {
		name, isList := strings.CutSuffix(step, "[]")
		if entry, ok := entryOf[name]; ok {
			name = entry
		}
		if m, ok = at.(map[string]any); !ok {
			return nil, false
		}
		at = m[name]
		if list, ok := at.([]any); isList && ok && len(list) > 0 {
			at = list[0]
		}
	}
	m, ok = at.(map[string]any)
	return m, ok
}

// parseWith parses base with one value changed.
func parseWith(t *testing.T, dir, path, key string, value any) (*Config, error) {
	t.Helper()
	root := base()
	object(t, root, path)[key] = value
	return parseValue(t, dir, root)
}

func parseValue(t *testing.T, dir string, root map[string]any) (*Config, error) {
	t.Helper()
	text, err := json.Marshal(root) // which is YAML too
	if err != nil {
		t.Fatal(err)
	}
	return Parse(filepath.Join(dir, "isapid.yaml"), text)
}

// hint is that of the error whose message has the given part.
func hint(err error, part string) (string, bool) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return "", false
	}
	for _, err := range joined.Unwrap() {
		var e *Error
		if errors.As(err, &e) && strings.Contains(e.Msg, part) {
			return e.Hint, true
		}
	}
	return "", false
}

// knownKeys walks the keys below path that the code knows.
func knownKeys(t *testing.T, dir, path string) (known []string) {
	t.Helper()
	_, err := parseWith(t, dir, path, nobodysKey, 1)
	text, ok := hint(err, unknownKey)
	list, isList := strings.CutPrefix(text, "known keys: ")
	if !ok || !isList {
		t.Fatalf("a key nobody knows in %q: got %v, want a list of the known keys", path, err)
	}
	for key := range strings.SplitSeq(list, ", ") {
		full := strings.TrimPrefix(path+"."+key, ".")
		_, err := parseWith(t, dir, path, key, 1)
		if _, elsewhere := hint(err, "cannot differ between sites"); elsewhere {
			continue
		}
		step, isObject := objectBelow(t, dir, path, key)
		if path != "" || !isObject {
			known = append(known, full)
		}
		if isObject {
			known = append(known, knownKeys(t, dir, full+step)...)
		}
	}
	return known
}

// objectBelow tells whether values of key hold further keys, and what stands between key and those: "" for a mapping, "[]" for a
// list of mappings, ".<name>" or ".<status>" for mappings by the user's names.
func objectBelow(t *testing.T, dir, path, key string) (step string, ok bool) {
	t.Helper()
	inner := map[string]any{nobodysKey: 1}
	for _, form := range []struct {
		step  string
		value any
	}{
		{"", inner},
		{"[]", []any{inner}},
		{".<name>", map[string]any{"default": inner}},
		{".<status>", map[string]any{"404": inner}},
	} {
		_, err := parseWith(t, dir, path, key, form.value)
		if _, ok := hint(err, unknownKey); ok {
			return form.step, true
		}
	}
	return "", false
}
