package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile is far more than any real configuration and little enough to parse at once.
const maxFile = 1 << 20

// Load reads and checks the file at path. The error joins one [*Error] for each thing that is wrong.
func Load(path string) (*Config, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, &Error{File: path, Msg: "is not a file", Hint: "name the configuration file, for example isapid.yaml"}
	}
	if info.Size() > maxFile {
		return nil, tooLong(path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, data)
}

// Parse checks data as if it were the content of the file name. Relative paths in it are below the folder of name.
// The directories and files it names are looked at, not opened.
func Parse(name string, data []byte) (*Config, error) {
	if len(data) > maxFile {
		return nil, tooLong(name)
	}
	file, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("read configuration %q: %w", name, err)
	}
	d := &decoder{name: name, dir: filepath.Dir(file), at: map[any]position{}}
	c := Default()
	c.File = file
	if root := d.parse(data); root != nil {
		d.config(root, c)
		d.check(c)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return c, nil
}

func tooLong(name string) *Error {
	return &Error{File: name, Msg: "is longer than 1 MiB", Hint: "this is hardly a configuration file"}
}

// parse returns the mapping at the top of the document, or nil after an error or when the document is empty.
func (d *decoder) parse(data []byte) ast.Node {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // editors on Windows write it
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err, data)
		return nil
	}
	var root ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case root != nil:
			d.errorAt(where(doc.Body), "a second document", "keep everything in one document: remove the \"---\"")
		default:
			root = doc.Body
		}
	}
	return root
}

func (d *decoder) syntax(err error, data []byte) {
	e := &Error{File: d.name, Msg: "not valid YAML: " + err.Error()}
	var y yaml.Error
	if errors.As(err, &y) {
		e.Msg = "not valid YAML: " + y.GetMessage()
		if t := y.GetToken(); t != nil && t.Position != nil {
			e.Line, e.Column = t.Position.Line, t.Position.Column
		}
	}
	if lines := bytes.Split(data, []byte("\n")); e.Line > 0 && e.Line <= len(lines) && bytes.Contains(lines[e.Line-1], []byte(": *")) {
		e.Hint = `put text that begins with "*" in quotes`
	}
	if strings.Contains(e.Msg, "escape character") {
		e.Hint = `a backslash in double quotes begins an escape: put a path like 'C:\sites' in single quotes, or in none`
	}
	d.errs = append(d.errs, e)
}

// err joins what was found, in file order.
func (d *decoder) err() error {
	slices.SortStableFunc(d.errs, func(a, b *Error) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	all := make([]error, len(d.errs))
	for i, e := range d.errs {
		all[i] = e
	}
	return errors.Join(all...)
}
