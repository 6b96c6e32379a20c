package extension

import (
	"net/url"
	"strings"
	"unicode/utf16"

	"github.com/isapid/isapid/internal/ansi"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/variables"
)

// narrow is a URL as an 8-bit caller has it.
func narrow(p uintptr) string { return ansi.Decode(native.String(p, maxURL)) }

func wide(p uintptr) string { return string(utf16.Decode(native.WideString(p, maxURL))) }

// lookup maps a URL of an extension to a physical path.
func (q *request) lookup(raw string) (executor.Mapping, isapi.Error) {
	raw, _, _ = strings.Cut(raw, "?")
	p, err := url.PathUnescape(raw)
	if err != nil || !strings.HasPrefix(p, "/") {
		return executor.Mapping{}, isapi.InvalidParameter
	}
	m, err := q.t.Host.Map(p)
	if err != nil {
		return m, isapi.FileNotFound
	}
	return m, isapi.OK
}

// mapURL is HSE_REQ_MAP_URL_TO_PATH: URL in, path out, in one buffer.
func (q *request) mapURL(c call) isapi.Error {
	if c.size == 0 {
		return isapi.InvalidParameter
	}
	m, err := q.lookup(narrow(c.buf))
	if err != isapi.OK {
		return err
	}
	return variables.CopyOut(ansi.Encode(m.Path), c.buf, c.size)
}

func (q *request) mapUnicodeURL(c call) isapi.Error {
	if c.size == 0 {
		return isapi.InvalidParameter
	}
	m, err := q.lookup(wide(c.buf))
	if err != isapi.OK {
		return err
	}
	return variables.CopyOutWide(m.Path, c.buf, c.size)
}

// mapURLEx is HSE_REQ_MAP_URL_TO_PATH_EX. A path that does not fit is cut and fails with 122, as IIS 6 does. Callers
// read the length of the path, with its NUL, from *size afterwards.
func (q *request) mapURLEx(c call) isapi.Error {
	if c.dataType == 0 {
		return isapi.InvalidParameter
	}
	m, err := q.lookup(narrow(c.buf))
	if err != isapi.OK {
		return err
	}
	path := ansi.Encode(m.Path)
	info := isapi.URLMapExInfo{Flags: m.Flags, MatchingPath: uint32(len(ansi.Encode(m.Matched()))), MatchingURL: uint32(m.MatchedURL)}
	copy(info.Path[:isapi.MaxPath-1], path)
	native.Write(c.dataType, info)
	if c.size != 0 {
		native.Write(c.size, uint32(min(len(path), isapi.MaxPath-1)+1))
	}
	if len(path) >= isapi.MaxPath {
		return isapi.InsufficientBuffer
	}
	return isapi.OK
}

func (q *request) mapUnicodeURLEx(c call) isapi.Error {
	if c.dataType == 0 {
		return isapi.InvalidParameter
	}
	m, err := q.lookup(wide(c.buf))
	if err != isapi.OK {
		return err
	}
	u := utf16.Encode([]rune(m.Path))
	matched := utf16.Encode([]rune(m.Matched()))
	info := isapi.UnicodeURLMapExInfo{Flags: m.Flags, MatchingPath: uint32(len(matched)), MatchingURL: uint32(m.MatchedURL)}
	copy(info.Path[:isapi.MaxPath-1], u)
	native.Write(c.dataType, info)
	if len(u) >= isapi.MaxPath {
		return isapi.InsufficientBuffer
	}
	return isapi.OK
}

// normalizeURL is HSE_REQ_NORMALIZE_URL, in place.
func (q *request) normalizeURL(c call) isapi.Error {
	raw := native.String(c.buf, maxURL)
	clean, ok := isapi.Normalize(ansi.Decode(raw))
	if clean = ansi.Encode(clean); !ok || len(clean) > len(raw) {
		return isapi.InvalidParameter
	}
	b := native.Bytes(c.buf, len(clean)+1)
	copy(b, clean)
	b[len(clean)] = 0
	return isapi.OK
}
