package passwd

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFile is the longest file that is read, in bytes: tens of thousands of users.
const maxFile = 8 << 20

// maxText is the longest name and the longest password, in bytes: what a filter has room for (SF_MAX_USERNAME, SF_MAX_PASSWORD).
const maxText = 256

// parse takes the content of a file. The error names the line, and nothing that stands there.
func parse(data []byte) (*table, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("longer than %d bytes", maxFile)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // editors on Windows write it
	t := newTable()
	lines := map[string]int{}
	number := 0
	for line := range bytes.Lines(data) {
		number++
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" || text[0] == '#' {
			continue
		}
		name, rest, ok := strings.Cut(text, ":")
		if !ok {
			return nil, fmt.Errorf(`line %d is not of the form "name:hash"`, number)
		}
		if err := checkName(name); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if first, twice := lines[name]; twice {
			return nil, fmt.Errorf("line %d has the name of line %d", number, first)
		}
		h, err := parseHash(rest)
		if err != nil {
			return nil, fmt.Errorf("line %d has %w", number, err)
		}
		lines[name] = number
		t.add(name, h)
	}
	return t, nil
}

// checkName refuses what cannot be a user's name in a file, or in what a client sends.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > maxText:
		return fmt.Errorf("the name is longer than %d bytes", maxText)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("the name holds a control character, or is not UTF-8")
	case name[0] == '#' || strings.TrimSpace(name) != name || strings.Contains(name, ":"):
		return errors.New("the name begins with a # or a space, ends with a space, or holds a colon")
	}
	return nil
}
