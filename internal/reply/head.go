package reply

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/isapid/isapid/internal/isapi"
)

// Begin is a header call of the image: at most one succeeds. keep is fKeepConn; nil where the call has none.
func (s *Response) Begin(h *isapi.Head, keep *bool) isapi.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beginLocked(h, keep)
}

// Complete is Begin with a head whose Body is all there is: what is sent after it is dropped.
func (s *Response) Complete(h *isapi.Head) isapi.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.beginLocked(h, nil)
	s.ended = s.ended || err == isapi.OK
	return err
}

func (s *Response) beginLocked(h *isapi.Head, keep *bool) isapi.Error {
	switch {
	case s.finished || s.head || s.ended || len(s.raw) > 0:
		return isapi.InvalidParameter
	case s.err != isapi.OK:
		return s.err
	}
	if err := s.sendHead(h, keep); err != isapi.OK || h.Body == "" || !s.head {
		return err
	}
	return s.writeBody([]byte(h.Body))
}

// sendHead hands a head to net/http. What the extension says about itself (Date, Server, types, cookies) is sent as it is;
// what it says about framing is obeyed, by net/http's means.
func (s *Response) sendHead(h *isapi.Head, keep *bool) isapi.Error {
	if h.Status < 200 {
		return s.sendInterim(h)
	}
	hdr := s.w.Header()
	hdr["Content-Type"] = nil // none is none: net/http must not guess
	chunked, closing := false, keep != nil && !*keep
	closing = closing || hdr["Connection"] != nil // closeAfter says so
	for i, f := range h.Fields {
		name := headerKey(f.Name)
		switch name {
		case "Content-Length":
			if !s.setLength(f.Value) {
				s.logger().Warn("Content-Length of the extension ignored", "value", isapi.Clip(f.Value), "url", s.r.URL.RequestURI())
			}
		case "Transfer-Encoding":
			chunked = strings.EqualFold(f.Value, "chunked")
		case "Connection":
			closing = closing || HasToken(f.Value, "close")
		case "Keep-Alive", "Upgrade", "Proxy-Connection", "Trailer": // the dechunker drops trailers
		default:
			if hdr[name] == nil || i < maxUnlike && first(h.Fields, i) { // its own values replace those of whoever is around us
				hdr[name] = s.value(f.Value)
			} else {
				hdr[name] = append(hdr[name], f.Value)
			}
		}
	}
	s.nobody = s.r.Method == http.MethodHead || h.Status == http.StatusNoContent || h.Status == http.StatusNotModified
	switch {
	case chunked:
		s.chunks, s.declared = &dechunker{}, -1
	case s.declared >= 0 && h.Status != http.StatusNoContent:
		hdr["Content-Length"] = s.value(strconv.FormatInt(s.declared, 10))
	}
	switch {
	case s.r.ProtoMajor >= 2: // the connection is not this response's alone
		delete(hdr, "Connection")
	case closing:
		hdr["Connection"] = []string{"close"}
	case !s.r.ProtoAtLeast(1, 1) && KeepAlive(s.r):
		hdr["Connection"] = []string{"keep-alive"} // HTTP/1.0 has to be told
	}
	if h.Reason != "" && h.Reason != http.StatusText(h.Status) {
		s.with.Client.SetReason(h.Status, h.Reason)
	}
	s.head, s.status = true, h.Status
	s.w.WriteHeader(h.Status)
	s.touch()
	return isapi.OK
}

// value is a header value of one line; several share an allocation.
func (s *Response) value(v string) []string {
	if len(s.values) == cap(s.values) {
		s.values = make([]string, 0, 4)
	}
	s.values = append(s.values, v)
	n := len(s.values)
	return s.values[n-1 : n : n]
}

// sendInterim passes a 1xx response on. 100 is net/http's own business, 101 cannot be had, and HTTP/1.0 knows none.
func (s *Response) sendInterim(h *isapi.Head) isapi.Error {
	switch {
	case h.Status == http.StatusSwitchingProtocols:
		return isapi.InvalidParameter
	case h.Status == http.StatusContinue, !s.r.ProtoAtLeast(1, 1):
		return isapi.OK
	}
	hdr := s.w.Header()
	kept := hdr.Clone()
	for _, f := range h.Fields {
		hdr.Add(f.Name, f.Value)
	}
	s.w.WriteHeader(h.Status)
	clear(hdr)
	for k, v := range kept {
		hdr[k] = v
	}
	return isapi.OK
}

// setLength takes a Content-Length; two that differ, or one that is no number, make none.
func (s *Response) setLength(v string) bool {
	n, err := strconv.ParseUint(v, 10, 63)
	if err != nil || s.declared >= 0 && s.declared != int64(n) {
		s.declared = -1
		return false
	}
	s.declared = int64(n)
	return true
}

// interpreted are the canonical names of the fields net/http or we look at, by length; all others keep the extension's
// spelling.
var interpreted = func() (m [20][]string) {
	for _, n := range []string{"Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade", "Proxy-Connection",
		"Content-Type", "Content-Encoding", "Date", "Server", "Trailer", "Set-Cookie", "Location"} {
		m[len(n)] = append(m[len(n)], n)
	}
	return m
}()

func headerKey(name string) string {
	if len(name) < len(interpreted) {
		for _, n := range interpreted[len(name)] {
			if n == name || strings.EqualFold(n, name) {
				return n
			}
		}
	}
	return name
}

// maxUnlike is how many fields are compared with each other; those after them replace nothing.
const maxUnlike = 100

// first tells whether field i is the first of its name.
func first(fields []isapi.Field, i int) bool {
	for j := range i {
		if len(fields[j].Name) == len(fields[i].Name) && strings.EqualFold(fields[j].Name, fields[i].Name) {
			return false
		}
	}
	return true
}

// HasToken tells whether a header value, which may be a list, has a token, in whatever case.
func HasToken(value, token string) bool {
	for v := range strings.SplitSeq(value, ",") {
		if strings.EqualFold(textproto.TrimString(v), token) {
			return true
		}
	}
	return false
}

// KeepAlive is whether the client asked for its connection to stay (HSE_REQ_IS_KEEP_CONN).
func KeepAlive(r *http.Request) bool {
	c := strings.Join(r.Header["Connection"], ",")
	switch {
	case r.ProtoAtLeast(2, 0):
		return true
	case r.Close || HasToken(c, "close"):
		return false
	}
	return r.ProtoAtLeast(1, 1) || HasToken(c, "keep-alive")
}
