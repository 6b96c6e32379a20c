package tape

import (
	"bytes"
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/trace"
)

// Recorder makes entries of requests that a server answers and of what it hears of the calls of images. It is safe for concurrent use.
type Recorder struct {
	mask   bool
	settle time.Duration
	memory budget
	lost   atomic.Int64 // events that were dropped, since the beginning

	mu      sync.Mutex // guards all below
	takes   map[uint64]*take
	ended   []*take // in the order of their ends
	missing int     // requests that have ended and were left out
}

// take is a request that is being recorded.
type take struct {
	id      uint64
	request Request   // its header only if raw is nil
	raw     []byte    // header lines as received; nil: not known
	body    *received // until it ends; nil: there is none
	length  int64     // of the body, as declared
	sent    *sent     // until it ends
	kept    kept
	began   time.Time
	lost    int64 // of the recorder, at the beginning

	over     time.Time // when it ended
	image    string
	site     string
	unread   bool // the body was not read to its end, unless it is as long as declared
	response Response
}

// call is a Call with what its order is found by.
type call struct {
	Call
	at     time.Time
	source uint32
	parent uint32
}

// Outcome is how a request ended.
type Outcome struct {
	Site, Image, User string
	Complete          bool // the response did not break off
	Skip              bool // it is not to be recorded
}

// Settle is how long after its end a request may still hear of its calls, when the server is busy.
const Settle = time.Second

// NewRecorder makes one. With mask secrets are replaced. For requests that have begun and were not taken it uses so many bytes of memory at most,
// about; those for which there is no room are left out.
func NewRecorder(mask bool, most int64) *Recorder {
	return &Recorder{mask: mask, settle: Settle, memory: budget{most: most}, takes: map[uint64]*take{}}
}

// What is counted for memory besides texts, in bytes: about what it takes.
const (
	sizeTake = 1024
	sizeLine = 64 // of a header
	sizeCall = 192
	sizeArg  = 64
)

// Begin is called before a request is answered, with its ID and the lines of its header as they were received; nil: nobody knows. The
// request must be answered with what it returns.
func (r *Recorder) Begin(id uint64, w http.ResponseWriter, req *http.Request, raw []byte) (http.ResponseWriter, *http.Request) {
	t := &take{id: id, began: time.Now(), lost: r.lost.Load(), length: req.ContentLength, kept: kept{of: &r.memory}}
	size := sizeTake + len(req.RequestURI) + len(raw)
	if raw == nil {
		size += sizeOf(req.Header)
	}
	if t.kept.begin(size) {
		t.raw = bytes.Clone(raw)
		t.request = Request{
			Method: req.Method, Target: req.RequestURI, Proto: req.Proto, Host: req.Host, TLS: req.TLS != nil, Client: req.RemoteAddr,
			Chunked: slices.Contains(req.TransferEncoding, "chunked"),
		}
		if raw == nil {
			t.request.Header = fields(req.Header) // now: the site may change it
		}
		t.sent = &sent{ResponseWriter: w, to: &t.kept}
		w = t.sent
		if req.Body != nil && req.Body != http.NoBody {
			t.body = &received{ReadCloser: req.Body, to: &t.kept}
			changed := *req
			changed.Body = t.body
			req = &changed
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.takes[id] = t
	return w, req
}

// sizeOf is how much a header is counted for.
func sizeOf(h http.Header) (n int) {
	for name, values := range h {
		for _, v := range values {
			n += sizeLine + len(name) + len(v)
		}
	}
	return n
}

// End is called when a request has been answered, on any goroutine.
func (r *Recorder) End(id uint64, how Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.takes[id]
	if t == nil {
		return // it began before the recording
	}
	if !how.Skip && !t.kept.missing() {
		t.end(how)
		r.ended = append(r.ended, t)
		return
	}
	delete(r.takes, id)
	t.kept.free()
	if !how.Skip {
		r.missing++
	}
}

// end notes what became of the request.
func (t *take) end(how Outcome) {
	status, header := t.sent.head()
	if status == 0 && how.Complete {
		t.sent.begin(http.StatusOK) // net/http sends it for a handler that wrote nothing
		status, header = t.sent.head()
	}
	t.kept.mu.Lock()
	t.kept.grow(sizeOf(header))
	t.kept.mu.Unlock()
	t.over, t.site, t.image, t.request.User = time.Now(), how.Site, how.Image, how.User
	t.response = Response{Status: status, Header: fields(header), Broken: !how.Complete}
	t.unread = t.body != nil && !t.body.end.Load()
	t.sent, t.body = nil, nil // they lead to all that net/http has of the request
}

// Missing is how many requests were left out until now, because there was no room for them.
func (r *Recorder) Missing() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.missing
}

// Events are calls that a process tells of, as [trace.Decode] reads them. Those of requests that are not recorded are passed over.
func (r *Recorder) Events(source uint32, batch []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return trace.Decode(batch, func(e *trace.Event) error {
		if t := r.takes[e.Request]; t != nil {
			t.kept.event(source, e)
		}
		return nil
	})
}

// Dropped says that so many events will never come.
func (r *Recorder) Dropped(n uint64) { r.lost.Add(int64(min(n, 1<<40))) }

// event adds what is told of a call.
func (k *kept) event(source uint32, e *trace.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over || len(k.calls) >= mostCalls {
		return
	}
	size := 0
	for i := range e.Args {
		size += sizeArg + len(e.Args[i].Text)
	}
	switch e.Kind {
	case trace.Leave:
		for i := len(k.calls) - 1; i >= 0; i-- {
			c := &k.calls[i]
			if c.Open && c.Span == e.Span && c.source == source {
				if k.grow(size) {
					c.Result, c.Error, c.Open = e.Result, e.Err, false
					c.Args = append(c.Args, args(e)...)
					k.open--
				}
				return
			}
		}
		return // its beginning was dropped
	case trace.Enter, trace.Call:
	default:
		return
	}
	if !k.grow(sizeCall + size) {
		return
	}
	if e.Kind == trace.Enter {
		k.open++
	}
	k.calls = append(k.calls, call{
		Call: Call{
			Name: trace.Name(e.Func, e.Code), Args: args(e), Result: e.Result, Error: e.Err, Open: e.Kind == trace.Enter, Span: e.Span,
		},
		at: e.At, source: source, parent: e.Parent,
	})
}

func args(e *trace.Event) (list []Arg) {
	for i := range e.Args {
		a := &e.Args[i]
		made := Arg{Name: a.Name, Text: a.Text, Out: a.Out, Hex: a.Hex, Cut: a.Cut}
		if !a.IsText {
			made.Text = strconv.FormatInt(a.Num, 10)
		}
		list = append(list, made)
	}
	return list
}

// Next is a request that has ended and whose calls are all there, as far as anybody can know, in the order in which they ended; nil: there is
// none. With some, every request should have calls. One whose calls have not all returned, or are missing, may take longer. With last
// nobody is waited for so long.
func (r *Recorder) Next(some, last bool) *Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.ended) > 0 {
		t := r.ended[0]
		if !t.ready(r.settle, some, last) {
			return nil
		}
		r.ended[0] = nil
		r.ended = r.ended[1:]
		delete(r.takes, t.id)
		e := t.entry(r)
		t.kept.free()
		if e != nil {
			return e
		}
		r.missing++
	}
	return nil
}

// patience is how many times as long is waited for calls that must come.
const patience = 5

// ready says whether nothing more is to come.
func (t *take) ready(settle time.Duration, some, last bool) bool {
	t.kept.mu.Lock()
	defer t.kept.mu.Unlock()
	switch {
	case last:
		settle /= 2
	case t.kept.open > 0, some && len(t.kept.calls) == 0:
		settle *= patience
	}
	return t.kept.left || time.Since(t.over) >= settle
}

// Waiting is how many requests have not been taken, and how many of them have ended.
func (r *Recorder) Waiting() (all, ended int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.takes), len(r.ended)
}

// entry is what is written of a request; nil: it is left out.
func (t *take) entry(r *Recorder) *Entry {
	t.kept.mu.Lock()
	defer t.kept.mu.Unlock()
	k := &t.kept
	if k.left {
		return nil
	}
	e := &Entry{
		ID: trace.FormatID(t.id), At: t.began, Took: t.over.Sub(t.began).Seconds(), Site: t.site, Image: t.image,
		Request: t.request, Response: t.response, Calls: sequence(k.calls), Lost: int(r.lost.Load() - t.lost),
	}
	if t.raw != nil {
		e.Request.Header = rawFields(t.raw)
	}
	switch {
	case k.in.cut != "":
		e.Cut = "the body of the request " + k.in.cut
	case t.unread && int64(len(k.in.text)) != t.length:
		e.Cut = "the body of the request was not read to its end"
	case k.out.cut != "":
		e.Cut = "the body of the response " + k.out.cut
	default:
		e.Request.Body, e.Response.Body = k.in.text, k.out.text
	}
	if r.mask {
		mask(e)
	}
	return e
}

// sequence are the calls in the order of their beginnings, with how deep they were inside of others.
func sequence(calls []call) (list []Call) {
	slices.SortStableFunc(calls, func(a, b call) int {
		if c := a.at.Compare(b.at); c != 0 || a.source != b.source {
			return c
		}
		return cmp.Compare(a.Span, b.Span)
	})
	type key struct{ source, span uint32 }
	depth := map[key]int{}
	for i := range calls {
		c := &calls[i]
		if d, inside := depth[key{c.source, c.parent}]; inside && c.parent != 0 {
			c.Depth = d + 1
		}
		depth[key{c.source, c.Span}] = c.Depth
		list = append(list, c.Call)
	}
	return list
}

// rawFields are the lines of a header as it was received, but Host.
func rawFields(raw []byte) (list Fields) {
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && !strings.EqualFold(name, "Host") {
			list = append(list, [2]string{name, strings.TrimPrefix(value, " ")})
		}
	}
	return list
}

// fields are the lines of a header, by name.
func fields(h http.Header) Fields {
	list := Fields{}
	for name, values := range h {
		for _, v := range values {
			list = append(list, [2]string{name, v})
		}
	}
	slices.SortStableFunc(list, func(a, b [2]string) int { return cmp.Compare(a[0], b[0]) })
	return list
}

// Hidden is what stands in place of a secret.
const Hidden = "(masked)"

// mask replaces secrets. Those in calls were left out where they were taken.
func mask(e *Entry) {
	for _, list := range []Fields{e.Request.Header, e.Response.Header} {
		for i := range list {
			switch strings.ToLower(list[i][0]) {
			case "authorization", "proxy-authorization", "cookie", "set-cookie":
				list[i][1] = Hidden
			}
		}
	}
}
