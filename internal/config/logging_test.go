package config

import (
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

func TestAccessLog(t *testing.T) {
	dir := folder(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	for text, want := range map[string]*AccessLog{
		"log: {}":                    nil,
		"log: {access_file: a.json}": {Format: AccessJSON, File: in("a.json"), Rotate: Rotate{Every: Never}},
		"log: {access: {format: json, file: a.json}}":                               {Format: AccessJSON, File: in("a.json"), Rotate: Rotate{Every: Never}},
		"log: {access: {directory: logs}}":                                          {Format: AccessW3C, Directory: in("logs"), Rotate: Rotate{Every: Daily}},
		"log: {access: {directory: logs, rotate: {every: never, size: 1MiB}}}":      {Format: AccessW3C, Directory: in("logs"), Rotate: Rotate{Never, 1 << 20}},
		"log: {access: {file: a.log, rotate: {size: 1000GB}, keep: 2}}":             {Format: AccessW3C, File: in("a.log"), Rotate: Rotate{Never, 1e12}, Keep: 2},
		"log: {access: {file: a.log, fields: [time, 'cs(cookie)', sc(a.b), date]}}": {Format: AccessW3C, File: in("a.log"), Fields: []string{"time", "cs(cookie)", "sc(a.b)", "date"}, Rotate: Rotate{Every: Never}},
	} {
		if c := parse(t, dir, text); !reflect.DeepEqual(c.Log.Access, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", text, c.Log.Access, want)
		}
	}
}

// The list of fields is that of IIS: 22, none twice.
func TestAccessFields(t *testing.T) {
	if n := len(slices.Compact(slices.Sorted(slices.Values(AccessFields)))); n != 22 {
		t.Errorf("%d fields, want 22", n)
	}
}
