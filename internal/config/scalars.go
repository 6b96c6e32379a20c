package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// text takes a string that is not empty.
func (v value) text(field *string) bool {
	v.set(field) // also when it is wrong, so that it is not reported as missing too
	switch v.node.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		s, _ := scalar(v.node)
		if s == "" || strings.ContainsRune(s, 0) {
			v.fail(fmt.Sprintf("%q is empty or holds a NUL", v.key), "write a value or remove the key")
			return false
		}
		*field = s
		return true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		s, _ := scalar(v.node)
		v.fail(fmt.Sprintf("%q must be text, not %s", v.key, s), fmt.Sprintf("put it in quotes: %q", s))
		return false
	}
	hint := ""
	if _, alias := v.node.(*ast.AliasNode); alias {
		hint = `put text that begins with "*" in quotes`
	}
	v.fail(fmt.Sprintf("%q must be text, not %s", v.key, describe(v.node)), hint)
	return false
}

// path takes a file or directory name, made absolute.
func (v value) path(field *string) {
	if v.text(field) {
		*field = v.d.path(*field)
	}
}

// choice takes one of the allowed words.
func (v value) choice(field *string, allowed ...string) bool {
	s, ok := scalar(v.node)
	if !ok {
		v.fail(fmt.Sprintf("%q must be a word, not %s", v.key, describe(v.node)), "allowed: "+strings.Join(allowed, ", "))
		return false
	}
	for _, a := range allowed {
		if s == a {
			*field = s
			v.set(field)
			return true
		}
	}
	v.fail(fmt.Sprintf("%q is %q", v.key, s), "allowed: "+strings.Join(allowed, ", "))
	return false
}

// word takes one of the allowed values of a type of words.
func word[T ~string](v value, field *T, allowed ...T) bool {
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = string(a)
	}
	var s string
	if !v.choice(&s, words...) {
		return false
	}
	*field = T(s)
	v.set(field)
	return true
}

// flag takes true or false.
func (v value) flag(field *bool) {
	b, ok := v.node.(*ast.BoolNode)
	if !ok {
		v.fail(fmt.Sprintf("%q must be a switch, not %s", v.key, describe(v.node)), "write true or false")
		return
	}
	*field = b.Value
	v.set(field)
}

// number takes a whole number from low to high.
func (v value) number(field *int, low, high int) {
	s, _ := scalar(v.node)
	_, isInt := v.node.(*ast.IntegerNode)
	n, err := strconv.Atoi(s)
	switch {
	case !isInt || err != nil:
		v.fail(fmt.Sprintf("%q must be a whole number, not %s", v.key, describe(v.node)), fmt.Sprintf("allowed: %d to %d", low, high))
	case n < low || n > high:
		v.fail(fmt.Sprintf("%q is %d", v.key, n), fmt.Sprintf("allowed: %d to %d", low, high))
	default:
		*field = n
		v.set(field)
	}
}

// duration takes a time such as 30s; 0 is allowed and has its own meaning for most keys.
func (v value) duration(field *time.Duration, high time.Duration) {
	v.durationFrom(field, 0, high)
}

// durationFrom takes a time from low to high.
func (v value) durationFrom(field *time.Duration, low, high time.Duration) {
	s, _ := scalar(v.node)
	n, err := time.ParseDuration(s)
	switch {
	case err != nil:
		v.fail(fmt.Sprintf("%q must be a time with its unit, not %s", v.key, describe(v.node)), "write it like 20ms, 30s, 2m or 29h")
	case n < low || n > high:
		v.fail(fmt.Sprintf("%q is %s", v.key, s), fmt.Sprintf("allowed: %s to %s", short(low), short(high)))
	default:
		*field = n
		v.set(field)
	}
}

// short writes a duration without its zero parts: 24h, not 24h0m0s.
func short(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	s := strings.TrimSuffix(d.String(), "m0s")
	if s != d.String() {
		s += "m"
	}
	if t := strings.TrimSuffix(s, "h0m"); t != s {
		return t + "h"
	}
	return s
}

var sizeText = regexp.MustCompile(`^([0-9]{1,15})(B|KB|KiB|MB|MiB|GB|GiB)?$`)

var sizeUnits = map[string]int64{
	"": 1, "B": 1, "KB": 1e3, "KiB": 1 << 10, "MB": 1e6, "MiB": 1 << 20, "GB": 1e9, "GiB": 1 << 30,
}

// size takes a number of bytes such as 48KiB.
func (v value) size(set func(int64), low, high int64) {
	s, _ := scalar(v.node)
	m := sizeText.FindStringSubmatch(s)
	if m == nil {
		v.fail(fmt.Sprintf("%q must be a size, not %s", v.key, describe(v.node)), "write it like 30000000, 30MB, 8MiB or 48KiB")
		return
	}
	n, _ := strconv.ParseInt(m[1], 10, 64) // 15 digits always fit
	unit := sizeUnits[m[2]]
	if n < (low+unit-1)/unit || n > high/unit {
		v.fail(fmt.Sprintf("%q is %s", v.key, s), fmt.Sprintf("allowed: %s to %s", sizeName(low), sizeName(high)))
		return
	}
	set(n * unit)
}

func (v value) sizeInt(field *int, low, high int64) {
	v.size(func(n int64) { *field = int(n); v.set(field) }, low, high)
}

func (v value) size64(field *int64, low, high int64) {
	v.size(func(n int64) { *field = n; v.set(field) }, low, high)
}

// sizeOrNone takes a size from low to high, or 0, which has a meaning of its own.
func (v value) sizeOrNone(field *int64, low, high int64) {
	if s, ok := scalar(v.node); ok && s == "0" {
		low = 0
	}
	v.size64(field, low, high)
}

func sizeName(n int64) string {
	for _, u := range []string{"GiB", "MiB", "KiB"} {
		if n > 0 && n%sizeUnits[u] == 0 {
			return strconv.FormatInt(n/sizeUnits[u], 10) + u
		}
	}
	return strconv.FormatInt(n, 10)
}

// texts takes a list of strings.
func (v value) texts(what string, field *[]string) {
	items := v.list(what)
	list := make([]string, len(items))
	for i, item := range items {
		item.text(&list[i])
	}
	*field = list
}

// paths takes a list of file or directory names.
func (v value) paths(what string, field *[]string) {
	items := v.list(what)
	list := make([]string, len(items))
	for i, item := range items {
		item.path(&list[i])
	}
	*field = list
}
