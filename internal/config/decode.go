package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// decoder walks the syntax tree itself instead of unmarshalling, for two reasons: it goes on after an error, and it remembers
// where every value stood, so that checks across values can point at one.
type decoder struct {
	name string // of the file, as given
	dir  string // absolute; relative paths are below it
	errs []*Error
	at   map[any]position // by pointer to the field that was set
}

type position struct{ line, column int }

func where(n ast.Node) position {
	if n == nil {
		return position{1, 1}
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		return where(m.Values[0].Key)
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		return where(m.Key)
	}
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return position{1, 1}
	}
	return position{t.Position.Line, t.Position.Column}
}

func (d *decoder) errorAt(p position, msg, hint string) {
	d.errs = append(d.errs, &Error{File: d.name, Line: p.line, Column: p.column, Msg: msg, Hint: hint})
}

// errorOn reports at the place where *field was set.
func (d *decoder) errorOn(field any, msg, hint string) {
	p, ok := d.at[field]
	if !ok {
		p = position{1, 1}
	}
	d.errorAt(p, msg, hint)
}

// value is one node of the file and the key it stands under.
type value struct {
	d    *decoder
	key  string
	node ast.Node
}

func (v value) fail(msg, hint string) { v.d.errorAt(where(v.node), msg, hint) }

// set remembers where field got its value.
func (v value) set(field any) { v.d.at[field] = where(v.node) }

// fields maps the keys an object may have to what takes their values.
type fields map[string]func(value)

// object hands every value of a mapping to its field.
func (v value) object(what string, f fields) {
	v.entries(what, func(key string, at position, item value) {
		take, ok := f[key]
		if !ok {
			v.d.errorAt(at, fmt.Sprintf("unknown key %q in %s", key, what), suggest(key, "known keys", slices.Collect(maps.Keys(f))))
			return
		}
		take(item)
	})
}

// entries calls f for each key of a mapping. An empty value is an empty mapping.
func (v value) entries(what string, f func(key string, at position, item value)) {
	if v.empty() {
		return
	}
	m, ok := v.node.(ast.MapNode)
	if !ok {
		v.fail(fmt.Sprintf("%s must be a mapping, not %s", what, describe(v.node)), `write it as lines of "key: value"`)
		return
	}
	seen := map[string]position{}
	for it := m.MapRange(); it.Next(); {
		at := where(it.Key())
		key, ok := scalar(it.Key())
		if !ok {
			v.d.errorAt(at, fmt.Sprintf("a key in %s must be plain text, not %s", what, describe(it.Key())), "")
			continue
		}
		if first, twice := seen[key]; twice {
			v.d.errorAt(at, fmt.Sprintf("key %q appears twice in %s", key, what), fmt.Sprintf("the first one is on line %d", first.line))
			continue
		}
		seen[key] = at
		f(key, at, value{v.d, key, it.Value()})
	}
}

// list returns the items of a sequence. An empty value is an empty list.
func (v value) list(what string) []value {
	if v.empty() {
		return nil
	}
	seq, ok := v.node.(*ast.SequenceNode)
	if !ok {
		v.fail(fmt.Sprintf("%q must be a list of %s, not %s", v.key, what, describe(v.node)), `write each item on a line of its own after "- "`)
		return nil
	}
	items := make([]value, len(seq.Values))
	for i, n := range seq.Values {
		items[i] = value{v.d, v.key, n}
	}
	return items
}

func (v value) empty() bool {
	_, null := v.node.(*ast.NullNode)
	return v.node == nil || null
}

// path returns p as an absolute path.
func (d *decoder) path(p string) string {
	switch {
	case filepath.IsAbs(p):
	case p != "" && os.IsPathSeparator(p[0]): // of Windows, without the drive
		p = filepath.VolumeName(d.dir) + p
	default:
		p = filepath.Join(d.dir, p)
	}
	return filepath.Clean(p)
}

// describe names the kind of a node in words of the file.
func describe(n ast.Node) string {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case ast.MapNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or alias, which are not supported"
	case *ast.TagNode:
		return "a tag, which is not supported"
	case ast.ScalarNode:
		if s, ok := scalar(n); ok {
			return fmt.Sprintf("%q", s)
		}
	}
	return "something else"
}

// scalar returns the text of a plain value as it stands in the file.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}
