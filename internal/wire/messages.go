package wire

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// What an exchange is for.
const (
	ForImage  = iota // front → worker: run the image
	ForChild         // worker → front: HSE_REQ_EXEC_URL, HSE_REQ_SEND_URL
	ForError         // worker → front: the page for a status
	ForAnswer        // worker → front: what answers a request that filters have let through
	purposes
)

// Request opens an exchange. Exchanges of a front have odd ids, those of a worker (children of one of the front's) even ones.
type Request struct {
	For     int
	Image   uint64 // ForImage: as loaded
	Parent  uint64 // ForChild, ForError: the exchange it belongs to
	Skip    bool   // ForChild: pass over the wildcard handler that runs the parent
	Status  int    // ForError
	Sub     int    // ForError
	Timed   bool
	HTTP    Message
	Target  executor.Target // without Host, Client, Trail and Filtered
	HasHost bool
	ID      uint64                // of its trail; 0: it has none
	Trace   executor.TraceContext // likewise

	Filtered *Filtered // ForImage: it goes through filters there first; nil: it does not
	Changes  Changes   // ForAnswer
}

// Message is an HTTP request as far as an executor can tell.
type Message struct {
	Method, URI, Proto             string
	Major, Minor                   int
	Scheme, URLHost, Path, RawPath string
	RawQuery                       string
	ForceQuery                     bool
	Host, Remote, Local            string
	Length                         int64 // Content-Length; -1: unknown
	Chunked, Close                 bool
	Header                         http.Header
	Raw                            []byte // header lines as received; nil: not known
	TLS                            *TLS
	Preset                         http.Header // of the response: set already by whoever asks
	Body                           []byte      // the beginning of the body
	Whole                          bool        // and its end
	BodyError                      BodyError   // why there is no more of it; none if more can come
	BodyErrorLimit                 int64       // of BodyTooLarge
}

// TLS is what is known of the connection under a request.
type TLS struct {
	Version, Cipher      uint16
	ServerName, Protocol string
	Peers                [][]byte // DER
	Verified             bool
	Server               []byte // DER of our own certificate; nil: not known
}

func (q *Request) append(b []byte) []byte {
	b = append(b, byte(q.For))
	b = appendUint(b, q.Image)
	b = appendUint(b, q.Parent)
	b = appendBool(b, q.Skip)
	b = appendUint(b, uint64(q.Status))
	b = appendUint(b, uint64(q.Sub))
	b = appendBool(b, q.Timed)
	b = appendBool(b, q.HasHost)
	b = appendUint(b, q.ID)
	b = appendContext(b, &q.Trace)
	b = appendTarget(b, &q.Target)
	switch q.For {
	case ForImage:
		b = q.Filtered.append(b)
	case ForAnswer:
		b = q.Changes.append(b)
	}
	return q.HTTP.append(b)
}

func appendContext(b []byte, c *executor.TraceContext) []byte {
	b = appendBool(b, c.Valid())
	if !c.Valid() {
		return b
	}
	b = append(append(b, c.TraceID[:]...), c.SpanID[:]...)
	return appendText(appendBool(b, c.Sampled), c.State)
}

func (d *decoder) context() (c executor.TraceContext) {
	if !d.bool() {
		return c
	}
	if copy(c.TraceID[:], d.raw(len(c.TraceID))); !c.Valid() {
		d.fail()
	}
	copy(c.SpanID[:], d.raw(len(c.SpanID)))
	c.Sampled = d.bool()
	c.State = d.string()
	return c
}

func appendTarget(b []byte, t *executor.Target) []byte {
	b = appendText(b, t.ScriptName)
	b = appendText(b, t.PathInfo)
	b = appendText(b, t.PathTranslated)
	b = appendText(b, t.ScriptTranslated)
	b = appendBool(b, t.App != nil)
	if a := t.App; a != nil {
		b = appendUint(b, uint64(a.SiteID))
		b = appendText(b, a.SiteName)
		b = appendText(b, a.DocumentRoot)
		b = appendText(b, a.Path)
		b = appendText(b, a.PhysicalPath)
		b = appendText(b, a.Pool)
	}
	return appendUser(b, t.User)
}

const maxStatus = 999

func decodeRequest(p []byte) (*Request, error) {
	d := decode(p)
	q := &Request{For: int(d.int(purposes - 1))}
	q.Image = d.uint()
	q.Parent = d.uint()
	q.Skip = d.bool()
	q.Status = int(d.int(maxStatus))
	q.Sub = int(d.int(1 << 16))
	q.Timed = d.bool()
	q.HasHost = d.bool()
	q.ID = d.uint()
	q.Trace = d.context()
	d.target(&q.Target)
	q.Target.Timed = q.Timed
	switch q.For {
	case ForImage:
		q.Filtered = d.filtered(&q.Target)
	case ForAnswer:
		q.Changes = d.changes()
	}
	q.HTTP.decode(&d)
	return q, d.end("REQUEST")
}

func (d *decoder) target(t *executor.Target) {
	t.ScriptName, t.PathInfo, t.PathTranslated, t.ScriptTranslated = d.string(), d.string(), d.string(), d.string()
	if d.bool() {
		t.App = &executor.App{
			SiteID: int(d.int(1 << 31)), SiteName: d.string(), DocumentRoot: d.string(), Path: d.string(),
			PhysicalPath: d.string(), Pool: d.string(),
		}
	}
	t.User = d.user()
}

func (m *Message) append(b []byte) []byte {
	for _, s := range [...]string{
		m.Method, m.URI, m.Proto, m.Scheme, m.URLHost, m.Path, m.RawPath, m.RawQuery, m.Host, m.Remote, m.Local,
	} {
		b = appendText(b, s)
	}
	b = append(b, byte(m.Major), byte(m.Minor))
	b = appendBool(b, m.ForceQuery)
	b = appendBool(b, m.Chunked)
	b = appendBool(b, m.Close)
	b = appendSigned(b, m.Length)
	b = appendHTTPHeader(b, m.Header)
	b = appendText(b, m.Raw)
	b = appendHTTPHeader(b, m.Preset)
	b = m.TLS.append(b)
	b = appendText(b, m.Body)
	b = appendBool(b, m.Whole)
	b = append(b, byte(m.BodyError))
	return appendUint(b, uint64(m.BodyErrorLimit))
}

func (m *Message) decode(d *decoder) {
	for _, s := range [...]*string{
		&m.Method, &m.URI, &m.Proto, &m.Scheme, &m.URLHost, &m.Path, &m.RawPath, &m.RawQuery, &m.Host, &m.Remote, &m.Local,
	} {
		*s = d.string()
	}
	m.Major, m.Minor = int(d.int(9)), int(d.int(9))
	m.ForceQuery, m.Chunked, m.Close = d.bool(), d.bool(), d.bool()
	m.Length = d.signed()
	m.Header = d.header()
	m.Raw = append([]byte(nil), d.bytes()...)
	m.Preset = d.header()
	m.TLS = d.tls()
	m.Body = append([]byte(nil), d.bytes()...)
	m.Whole = d.bool()
	m.BodyError = BodyError(d.int(int64(bodyErrors - 1)))
	m.BodyErrorLimit = d.int(1 << 62)
	if m.Length < -1 {
		d.fail()
	}
}

func (t *TLS) append(b []byte) []byte {
	b = appendBool(b, t != nil)
	if t == nil {
		return b
	}
	b = appendUint(b, uint64(t.Version))
	b = appendUint(b, uint64(t.Cipher))
	b = appendText(b, t.ServerName)
	b = appendText(b, t.Protocol)
	b = appendUint(b, uint64(len(t.Peers)))
	for _, p := range t.Peers {
		b = appendText(b, p)
	}
	b = appendBool(b, t.Verified)
	return appendText(b, t.Server)
}

func (d *decoder) tls() *TLS {
	if !d.bool() {
		return nil
	}
	t := &TLS{Version: uint16(d.int(0xffff)), Cipher: uint16(d.int(0xffff)), ServerName: d.string(), Protocol: d.string()}
	for range d.count(1) {
		t.Peers = append(t.Peers, append([]byte(nil), d.bytes()...))
	}
	t.Verified = d.bool()
	t.Server = append([]byte(nil), d.bytes()...)
	return t
}

// appendHTTPHeader writes a header. A name may have no value at all, which to net/http means "do not add one".
func appendHTTPHeader(b []byte, h http.Header) []byte {
	b = appendUint(b, uint64(len(h)))
	for name, values := range h {
		b = appendText(b, name)
		b = appendUint(b, uint64(len(values)))
		for _, v := range values {
			b = appendText(b, v)
		}
	}
	return b
}

// usualHeader is for how many names there is room at once; for more when they are seen.
const usualHeader = 64

func (d *decoder) header() http.Header {
	n := d.count(2)
	if n == 0 {
		return nil
	}
	h := make(http.Header, min(n, usualHeader))
	values := make([]string, 0, min(n, usualHeader))
	for range n {
		name := d.string()
		k := d.count(1)
		if d.bad {
			return nil
		}
		values = slices.Grow(values, k) // each takes a byte of what is there
		at := len(values)
		for range k {
			values = append(values, d.string())
		}
		if k == 0 {
			h[name] = nil
			continue
		}
		h[name] = values[at:len(values):len(values)]
	}
	return h
}

// head is the beginning of a response.
type head struct {
	status int
	reason string // "": the usual one
	header http.Header
}

func (h *head) append(b []byte) []byte {
	b = appendUint(b, uint64(h.status))
	b = appendText(b, h.reason)
	return appendHTTPHeader(b, h.header)
}

func decodeHead(p []byte) (h head, err error) {
	d := decode(p)
	h.status = int(d.int(maxStatus))
	h.reason = d.string()
	h.header = d.header()
	if h.status < 100 || h.status == http.StatusSwitchingProtocols {
		d.fail()
	}
	return h, d.end("HEAD")
}

// Result ends an exchange: what [executor.Result] says, and whether the connection is to be closed behind the response.
type Result struct {
	executor.Result
	HangUp bool
}

func (r *Result) append(b []byte) []byte {
	b = appendUint(b, uint64(r.Status))
	b = appendUint(b, uint64(r.Substatus))
	b = appendUint(b, uint64(r.Win32))
	b = appendUint(b, uint64(r.Bytes))
	b = appendText(b, r.LogData)
	b = appendText(b, r.LogQuery)
	b = appendBool(b, r.Fault != nil)
	if r.Fault != nil {
		b = appendText(b, clip(r.Fault.Error()))
	}
	b = appendUint(b, uint64(r.ThreadTime))
	b = appendBool(b, r.Broken)
	b = appendBool(b, r.HangUp)
	return appendLog(b, r.Log)
}

func decodeResult(p []byte) (r Result, err error) {
	d := decoder{b: p}
	r.Status = int(d.int(maxStatus))
	r.Substatus = int(d.int(1 << 32))
	r.Win32 = uint32(d.int(1<<32 - 1))
	r.Bytes = d.int(1 << 62)
	r.LogData, r.LogQuery = d.string(), d.string()
	if d.bool() {
		r.Fault = errors.New(d.string())
	}
	r.ThreadTime = time.Duration(d.int(1 << 62))
	r.Broken, r.HangUp = d.bool(), d.bool()
	r.Log = d.log()
	return r, d.end("END")
}
