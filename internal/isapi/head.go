package isapi

import (
	"errors"
	"fmt"
	"strings"
)

// Field is one header line, the name as the extension spelled it.
type Field struct{ Name, Value string }

// Head is a response head as an extension described it.
type Head struct {
	Status int    // 100 … 599
	Reason string // "" means the standard one
	Fields []Field
	Body   string // what followed the blank line of the header text: the beginning of the body
}

// Get returns the value of the last field of that name, compared without case.
func (h *Head) Get(name string) (string, bool) {
	for i := len(h.Fields) - 1; i >= 0; i-- {
		if strings.EqualFold(h.Fields[i].Name, name) {
			return h.Fields[i].Value, true
		}
	}
	return "", false
}

var (
	// ErrStatus is of a status that is none; the other errors of [ParseHead] are about lines that are no header lines, as text from a client
	// can make them.
	ErrStatus = errors.New("status is not a number from 100 to 599, with or without a reason after it")
	errBreak  = errors.New("status holds a line break and more text, and headers are given too")
)

// ParseHead understands the status and header texts of HSE_REQ_SEND_RESPONSE_HEADER and its kin with the tolerance real
// extensions need: no status, a bare number, a status with the protocol before it, header text
// in the status argument, a status line or a "Status:" field in the header text, bare line feeds, a missing blank line,
// blanks before the colon, and body bytes behind the blank line.
//
// What would let text from a client become header lines of its own is an error: control characters in names and values, and
// line breaks in a status that comes with headers.
func ParseHead(status, headers string) (Head, error) {
	h := Head{Status: 200}
	status = strings.TrimSpace(status)
	switch {
	case headers == "" && strings.ContainsAny(status, ":\n"):
		status, headers = "", status
	case strings.IndexByte(status, '\r') >= 0 || strings.IndexByte(status, '\n') >= 0:
		return h, errBreak
	case isFieldLine(status):
		status, headers = "", status+"\r\n"+headers
	}
	if status == "" {
		if line, rest := cutLine(headers); line != "" && !isFieldLine(line) {
			status, headers = line, rest
		}
	}
	if status != "" {
		var err error
		if h.Status, h.Reason, err = ParseStatus(status); err != nil {
			return h, err
		}
	}
	if err := h.parseFields(headers, status == ""); err != nil {
		return h, err
	}
	return h, nil
}

// isFieldLine tells "Connection:Keep-Alive" from "500 Error: no disk".
func isFieldLine(s string) bool {
	name, _, ok := strings.Cut(s, ":")
	return ok && IsToken(trimBlanks(name))
}

// ParseStatus splits "200 OK", "200" or "HTTP/1.1 200 OK".
func ParseStatus(s string) (code int, reason string, err error) {
	if len(s) > 5 && strings.EqualFold(s[:5], "HTTP/") {
		_, s, _ = strings.Cut(s, " ")
		s = strings.TrimLeft(s, " ")
	}
	digits, reason, _ := strings.Cut(s, " ")
	if len(digits) != 3 {
		return 0, "", fmt.Errorf("%q: %w", Clip(s), ErrStatus)
	}
	for i := range 3 {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, "", fmt.Errorf("%q: %w", Clip(s), ErrStatus)
		}
		code = code*10 + int(digits[i]-'0')
	}
	if code < 100 || code > 599 {
		return 0, "", fmt.Errorf("%q: %w", Clip(s), ErrStatus)
	}
	reason = strings.TrimSpace(reason)
	if !isFieldValue(reason) {
		return 0, "", fmt.Errorf("%q: reason has control characters", Clip(s))
	}
	return code, reason, nil
}

// parseFields reads header lines up to a blank one. With takeStatus a CGI-style "Status:" field sets the status and is
// not a field; without, it is dropped: the status argument has said more.
func (h *Head) parseFields(text string, takeStatus bool) error {
	if n := strings.Count(text, "\n"); n > 0 {
		h.Fields = make([]Field, 0, min(n, 64))
	}
	for text != "" {
		line, rest := cutLine(text)
		text = rest
		if line == "" {
			h.Body = text
			return nil
		}
		if (line[0] == ' ' || line[0] == '\t') && len(h.Fields) > 0 { // folded line, RFC 9112 5.2
			f := &h.Fields[len(h.Fields)-1]
			if len(f.Value) > maxFolded {
				return fmt.Errorf("header %q is folded into too many lines", Clip(f.Name))
			}
			f.Value = trimBlanks(f.Value + " " + trimBlanks(line))
			if !isFieldValue(f.Value) {
				return fmt.Errorf("header %q has control characters in its value", Clip(f.Name))
			}
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		name = trimBlanks(name)
		if !ok || !IsToken(name) {
			return fmt.Errorf("%q is not a header line: it needs a name and a colon", beginning(line))
		}
		value = trimBlanks(value)
		if !isFieldValue(value) {
			return fmt.Errorf("header %q has control characters in its value", Clip(name))
		}
		if strings.EqualFold(name, "Status") {
			if takeStatus {
				var err error
				if h.Status, h.Reason, err = ParseStatus(value); err != nil {
					return err
				}
			}
			continue
		}
		h.Fields = append(h.Fields, Field{name, value})
	}
	return nil
}

// maxFolded bounds the value of a header that goes on over several lines, in bytes.
const maxFolded = 64 << 10

// trimBlanks takes blanks and tabs off both ends.
func trimBlanks(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// cutLine splits after the first line feed; the line comes without it and without a carriage return before it.
func cutLine(s string) (line, rest string) {
	line, rest, _ = strings.Cut(s, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}

// Clip shortens a hostile text for a message, 80 bytes at most.
func Clip(s string) string {
	if len(s) > 80 {
		return s[:77] + "..."
	}
	return s
}

// beginning is enough of a line to find it by. What follows its first word may be secret, as with "Set-Cookie SESSION=…".
func beginning(line string) string {
	const most = 16
	word := line
	if i := strings.IndexAny(line, " \t=;"); i > 0 {
		word = line[:i]
	}
	switch {
	case len(word) > most: // no name: rather a piece of something longer
		return "..."
	case word != line:
		return word + "..."
	}
	return word
}

// IsToken tells whether s can be a method or the name of a header field.
func IsToken(s string) bool {
	for i := range len(s) {
		if !tokenByte[s[i]] {
			return false
		}
	}
	return s != ""
}

func isFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// tokenByte marks the characters of an RFC 9110 token.
var tokenByte = func() (t [256]bool) {
	for c := range 256 {
		t[c] = c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' ||
			strings.IndexByte("!#$%&'*+-.^_`|~", byte(c)) >= 0 && c < 128
	}
	return t
}()
