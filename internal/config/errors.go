package config

import (
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong in a configuration file. [Load] and [Parse] join all they find; use errors.As, or
// unwrap the joined error, to get at the fields.
type Error struct {
	File   string
	Line   int // from 1; 0: the file as a whole
	Column int // from 1
	Msg    string
	Hint   string // what to do about it; may be empty
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": " + e.Msg)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// suggest returns a hint that leads from got to one of the words that are known here.
func suggest(got, kind string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	slices.Sort(known)
	best, distance := "", len(got)/3+2
	for _, k := range known {
		if d := editDistance(strings.ToLower(got), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return kind + ": " + strings.Join(known, ", ")
}

// editDistance is the number of inserted, removed and replaced bytes that turn a into b (Levenshtein).
func editDistance(a, b string) int {
	if len(a) > 64 {
		return len(a) // no word of ours is that long
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
