package tape

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"

	"bufio"
)

// Reader reads a tape, which anybody may have made.
type Reader struct {
	Header  Header
	Cut     bool  // the tape does not end as it should: what comes before that was read
	Missing int64 // requests that are not on the tape, as far as it was read

	lines *Lines
	close func() error
	n     int // line
}

// Open opens the file of a tape. The caller must call Close.
func Open(name string) (*Reader, error) {
	fi, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	r, err := NewReader(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
	}
	r.close = f.Close
	return r, nil
}

// NewReader reads from a tape, compressed or not, and its header.
func NewReader(in io.Reader) (*Reader, error) {
	b := bufio.NewReader(in)
	in = b
	if magic, _ := b.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, fmt.Errorf("is no tape: %w", err)
		}
		in = z
	}
	r := &Reader{lines: NewLines(in), n: 1, close: func() error { return nil }}
	line, err := r.lines.Next()
	if errors.Is(err, io.ErrUnexpectedEOF) && json.Valid(line) {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("is no tape: its first line cannot be read: %w", err)
	}
	r.Header, err = decodeHeader(line)
	return r, err
}

// Close closes the file.
func (r *Reader) Close() error { return r.close() }

// Next is the next entry; io.EOF after the last one. A tape that was cut off ends before the entry that is not whole.
func (r *Reader) Next() (*Entry, error) {
	for {
		e, err := r.next()
		if e != nil || err != nil {
			return e, err
		}
	}
}

// next reads a line; nil without an error: it has no entry.
func (r *Reader) next() (*Entry, error) {
	r.n++
	line, err := r.lines.Next()
	switch {
	case err == nil, errors.Is(err, io.ErrUnexpectedEOF) && json.Valid(line): // only the end of the line is not there
	case errors.Is(err, io.ErrUnexpectedEOF), isCorrupt(err):
		r.Cut = true
		return nil, io.EOF
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	default:
		return nil, fmt.Errorf("line %d: %w", r.n, err)
	}
	e, missing, err := decodeEntry(line)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", r.n, err)
	}
	r.Missing += missing
	return e, nil
}

// isCorrupt says whether compressed data broke off or is damaged.
func isCorrupt(err error) bool {
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	return corrupt || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader)
}

// Bounds of what is read.
const (
	mostSites  = 1000
	mostFields = 1000
	mostCalls  = 100_000
	mostTarget = 64 << 10
	mostGap    = 1 << 40
)

func decodeHeader(line []byte) (h Header, err error) {
	if err := json.Unmarshal(line, &h); err != nil {
		return h, fmt.Errorf("is no tape: %w", err)
	}
	switch {
	case h.Version == 0:
		return h, errors.New("is no tape: its first line does not say isapid_tape")
	case h.Version != Version:
		return h, fmt.Errorf("is a tape of version %d; this program reads version %d", h.Version, Version)
	case len(h.Sites) == 0 || len(h.Sites) > mostSites:
		return h, fmt.Errorf("has %d sites; there must be 1 to %d", len(h.Sites), mostSites)
	}
	names := map[string]bool{}
	for i := range h.Sites {
		s := &h.Sites[i]
		if s.Name == "" || names[s.Name] {
			return h, fmt.Errorf("has two sites with the name %q, or one without", s.Name)
		}
		names[s.Name] = true
		if err := s.check(); err != nil {
			return h, fmt.Errorf("site %q: %w", s.Name, err)
		}
	}
	return h, nil
}

// check looks at what of a site would otherwise come to light where nobody expects it: paths that a server is made with.
func (s *Site) check() error {
	if len(s.Applications) == 0 || len(s.Applications) > mostSites {
		return fmt.Errorf("%d applications; there must be 1 to %d", len(s.Applications), mostSites)
	}
	for _, d := range s.Directories {
		if err := checkPath(d.Path); err != nil {
			return err
		}
	}
	for i := range s.Applications {
		a := &s.Applications[i]
		if err := checkPath(a.Path); err != nil {
			return err
		}
		if a.Threads < 1 || a.Threads > 4096 || a.Stack < 0 || a.Stack > 1<<30 || len(a.Handlers) > mostSites {
			return fmt.Errorf("application %q: threads, stack or handlers are out of range", a.Path)
		}
	}
	return nil
}

func checkPath(p string) error {
	if !strings.HasPrefix(p, "/") || path.Clean(p) != p || strings.ContainsAny(p, "\\%?#*:\x00") {
		return fmt.Errorf("%q is no path of a URL", p)
	}
	return nil
}

// decodeEntry reads an entry, or a gap: then the entry is nil.
func decodeEntry(line []byte) (e *Entry, missing int64, err error) {
	var one struct {
		Entry
		Gap
	}
	if err := json.Unmarshal(line, &one); err != nil {
		return nil, 0, fmt.Errorf("is no request: %w", err)
	}
	if one.Missing != 0 {
		if one.Missing < 0 || one.Missing > mostGap {
			return nil, 0, fmt.Errorf("%d requests cannot be missing", one.Missing)
		}
		return nil, one.Missing, nil
	}
	e = &one.Entry
	if e.Cut == "" {
		if err := e.Request.check(); err != nil {
			return nil, 0, err
		}
	}
	if len(e.Calls) > mostCalls {
		return nil, 0, fmt.Errorf("has %d calls; there may be %d", len(e.Calls), mostCalls)
	}
	return e, 0, nil
}

// check says why a request cannot be sent as one.
func (r *Request) check() error {
	switch {
	case !isToken(r.Method):
		return fmt.Errorf("method %.40q is none", r.Method)
	case r.Target == "" || len(r.Target) > mostTarget || strings.ContainsFunc(r.Target, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		return fmt.Errorf("target %.40q is none", r.Target)
	case !isValue(r.Host):
		return fmt.Errorf("host %.40q is none", r.Host)
	case len(r.Header) > mostFields:
		return fmt.Errorf("%d header lines; there may be %d", len(r.Header), mostFields)
	}
	if _, _, ok := http.ParseHTTPVersion(r.Proto); !ok {
		return fmt.Errorf("protocol %.40q is none", r.Proto)
	}
	for _, f := range r.Header {
		if !isToken(f[0]) || !isValue(f[1]) {
			return fmt.Errorf("header line %.40q: %.40q is none", f[0], f[1])
		}
	}
	return nil
}

// isToken says whether a text can be a method, or the name of a header line.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, c)
	})
}

// isValue says whether a text can be the value of a header line: it does not end that.
func isValue(s string) bool { return !strings.ContainsAny(s, "\r\n\x00") }
