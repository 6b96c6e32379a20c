package accesslog

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// defaultFields are those of IIS 10. One file for several sites has s-sitename after the time, as a central log of IIS has.
var defaultFields = []string{
	"date", "time", "s-ip", "cs-method", "cs-uri-stem", "cs-uri-query", "s-port", "cs-username", "c-ip", "cs(User-Agent)", "cs(Referer)",
	"sc-status", "sc-substatus", "sc-win32-status", "time-taken",
}

// maxText bounds what one text of a request takes in a line, in bytes.
const maxText = 16 << 10

// w3c writes lines in the W3C extended format.
type w3c struct {
	software string
	names    string // of the fields, as in #Fields
	columns  []column
}

// column appends one field of e.
type column func(b []byte, e *Entry) []byte

// newW3C makes a format of the fields, which are those of package config.
func newW3C(software string, names []string) *w3c {
	f := &w3c{software: software, names: strings.Join(names, " ")}
	for _, name := range names {
		f.columns = append(f.columns, columnOf(name))
	}
	return f
}

// columnOf returns the column of a field; one that nobody knows is empty.
func columnOf(name string) column {
	if c, ok := columns[name]; ok {
		return c
	}
	if header, ok := strings.CutPrefix(name, "cs("); ok {
		header = http.CanonicalHeaderKey(strings.TrimSuffix(header, ")"))
		if header == "Host" { // which is not among the others
			return columns["cs-host"]
		}
		return func(b []byte, e *Entry) []byte { return appendText(b, first(e.In, header)) }
	}
	if header, ok := strings.CutPrefix(name, "sc("); ok {
		header = http.CanonicalHeaderKey(strings.TrimSuffix(header, ")"))
		return func(b []byte, e *Entry) []byte { return appendText(b, first(e.Out, header)) }
	}
	return func(b []byte, _ *Entry) []byte { return append(b, '-') }
}

// first is the first line of a header; its name must be in the form of package http.
func first(h http.Header, name string) string {
	if lines := h[name]; len(lines) > 0 {
		return lines[0]
	}
	return ""
}

var computer, _ = os.Hostname()

// columns are the fields of IIS but those that are headers.
var columns = map[string]column{
	"date":           func(b []byte, e *Entry) []byte { return e.Ended.UTC().AppendFormat(b, time.DateOnly) },
	"time":           func(b []byte, e *Entry) []byte { return e.Ended.UTC().AppendFormat(b, time.TimeOnly) },
	"s-computername": func(b []byte, _ *Entry) []byte { return appendText(b, computer) },
	"cs-method":      func(b []byte, e *Entry) []byte { return appendText(b, e.Method) },
	"cs-uri-stem":    func(b []byte, e *Entry) []byte { return appendText(b, e.Path) },
	"cs-uri-query":   appendQuery,
	"cs-username":    func(b []byte, e *Entry) []byte { return appendText(b, e.User) },
	"c-ip":           func(b []byte, e *Entry) []byte { return appendText(b, e.Client) },
	"cs-version":     func(b []byte, e *Entry) []byte { return appendText(b, e.Proto) },
	"cs-host":        func(b []byte, e *Entry) []byte { return appendText(b, e.Host) },
	"sc-status":      func(b []byte, e *Entry) []byte { return strconv.AppendInt(b, int64(e.Status), 10) },
	"sc-substatus":   func(b []byte, e *Entry) []byte { return strconv.AppendInt(b, int64(e.Substatus), 10) },
	"sc-bytes":       func(b []byte, e *Entry) []byte { return strconv.AppendInt(b, e.Sent, 10) },
	"cs-bytes":       func(b []byte, e *Entry) []byte { return strconv.AppendInt(b, e.Received, 10) },
	"time-taken":     func(b []byte, e *Entry) []byte { return strconv.AppendInt(b, e.Took.Milliseconds(), 10) },
	"sc-win32-status": func(b []byte, e *Entry) []byte {
		return strconv.AppendUint(b, uint64(e.Win32), 10)
	},
	"s-sitename": func(b []byte, e *Entry) []byte {
		if e.SiteID == 0 {
			return append(b, '-')
		}
		return strconv.AppendInt(append(b, "W3SVC"...), int64(e.SiteID), 10)
	},
	"s-ip": func(b []byte, e *Entry) []byte {
		if !e.Server.Addr().IsValid() {
			return append(b, '-')
		}
		return e.Server.Addr().Unmap().AppendTo(b)
	},
	"s-port": func(b []byte, e *Entry) []byte {
		if !e.Server.IsValid() {
			return append(b, '-')
		}
		return strconv.AppendUint(b, uint64(e.Server.Port()), 10)
	},
}

// appendQuery appends the query as it was received, and right behind it what the extension adds, as IIS does.
func appendQuery(b []byte, e *Entry) []byte {
	if e.Query == "" && e.LogQuery == "" && e.LogData == "" {
		return append(b, '-')
	}
	b = appendPart(b, e.Query)
	b = appendPart(b, e.LogQuery)
	return appendPart(b, e.LogData)
}

// appendText appends a value: "-" if it is empty.
func appendText(b []byte, s string) []byte {
	if s == "" {
		return append(b, '-')
	}
	return appendPart(b, s)
}

// appendPart appends s without what would be taken for the end of a field or a line, nobody can print, or has others look different, as
// the marks that turn the direction of text: that is "+".
func appendPart(b []byte, s string) []byte {
	if len(s) > maxText {
		s = s[:maxText]
	}
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c <= ' ' || c == 0x7f {
				c = '+'
			}
			b = append(b, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) {
			b = append(b, '+')
		} else {
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return b
}

// line implements [format].
func (f *w3c) line(b []byte, e *Entry) []byte {
	begin := len(b)
	for i, c := range f.columns {
		if i > 0 {
			b = append(b, ' ')
		}
		b = c(b, e)
	}
	if b[begin] == '#' { // would be taken for a directive
		b[begin] = '+'
	}
	return append(b, '\n')
}

// head implements [format].
func (f *w3c) head(b []byte, now time.Time) []byte {
	b = append(b, "#Software: "...)
	b = append(b, f.software...)
	b = append(b, "\n#Version: 1.0\n#Date: "...)
	b = now.UTC().AppendFormat(b, time.DateTime)
	b = append(b, "\n#Fields: "...)
	b = append(b, f.names...)
	return append(b, '\n')
}

// lost implements [format].
func (f *w3c) lost(b []byte, _ time.Time, n uint64) []byte {
	b = append(b, "#Remark: "...)
	b = strconv.AppendUint(b, n, 10)
	return append(b, " lines lost\n"...)
}

// suffix implements [format].
func (f *w3c) suffix() string { return ".log" }
