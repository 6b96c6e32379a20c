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
	bodies atomic.Int64 // bytes that are kept
	lost   atomic.Int64 // events that were dropped, since the beginning

	mu    sync.Mutex // guards all below
	takes map[uint64]*take
	ended []*take // in the order of their ends
}

// take is a request that is being recorded.
type take struct {
	id      uint64
	request *http.Request
	raw     []byte // header lines as received; nil: not known
	body    *received
	sent    *sent
	in, out copied
	began   time.Time
	lost    int64 // of the recorder, at the beginning

	over   time.Time // when it ended
	image  string
	site   string
	user   string
	broken bool
	calls  []call
	open   int // calls that have not returned
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

// NewRecorder makes one. With mask secrets are replaced.
func NewRecorder(mask bool) *Recorder {
	return &Recorder{mask: mask, settle: Settle, takes: map[uint64]*take{}}
}

// Begin is called before a request is answered, with its ID and the lines of its header as they were received; nil: nobody knows. The
// request must be answered with what it returns.
func (r *Recorder) Begin(id uint64, w http.ResponseWriter, req *http.Request, raw []byte) (http.ResponseWriter, *http.Request) {
	t := &take{id: id, raw: bytes.Clone(raw), began: time.Now(), lost: r.lost.Load()}
	t.in.total, t.out.total = &r.bodies, &r.bodies
	t.request = req.Clone(req.Context()) // the site may change what it gets
	t.sent = &sent{ResponseWriter: w, to: &t.out}
	if req.Body != nil && req.Body != http.NoBody {
		t.body = &received{ReadCloser: req.Body, to: &t.in}
		changed := *req
		changed.Body = t.body
		req = &changed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.takes[id] = t
	return t.sent, req
}

// End is called when a request has been answered, on any goroutine.
func (r *Recorder) End(id uint64, how Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.takes[id]
	if t == nil {
		return // it began before the recording
	}
	if how.Skip {
		delete(r.takes, id)
		t.in.take()
		t.out.take()
		return
	}
	t.over, t.site, t.image, t.user, t.broken = time.Now(), how.Site, how.Image, how.User, !how.Complete
	if status, _ := t.sent.head(); status == 0 && how.Complete {
		t.sent.begin(http.StatusOK) // net/http sends it for a handler that wrote nothing
	}
	r.ended = append(r.ended, t)
}

// Events are calls that a process tells of, as [trace.Decode] reads them. Those of requests that are not recorded are passed over.
func (r *Recorder) Events(source uint32, batch []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return trace.Decode(batch, func(e *trace.Event) error {
		if t := r.takes[e.Request]; t != nil && len(t.calls) < mostCalls {
			t.event(source, e)
		}
		return nil
	})
}

// Dropped says that so many events will never come.
func (r *Recorder) Dropped(n uint64) { r.lost.Add(int64(min(n, 1<<40))) }

// event adds what is told of a call.
func (t *take) event(source uint32, e *trace.Event) {
	switch e.Kind {
	case trace.Leave:
		for i := len(t.calls) - 1; i >= 0; i-- {
			c := &t.calls[i]
			if c.Open && c.Span == e.Span && c.source == source {
				c.Result, c.Error, c.Open = e.Result, e.Err, false
				c.Args = append(c.Args, args(e)...)
				t.open--
				return
			}
		}
		return // its beginning was dropped
	case trace.Enter:
		t.open++
	case trace.Call:
	default:
		return
	}
	t.calls = append(t.calls, call{
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

// Ready are the requests that have ended and whose calls are all there, as far as anybody can know, in the order in which they ended.
// With some, every request should have calls. One whose calls have not all returned, or are missing, may take longer.
func (r *Recorder) Ready(some bool) []*Entry {
	return r.take(func(t *take) bool {
		waited := time.Since(t.over)
		if t.open > 0 || some && len(t.calls) == 0 {
			return waited >= patience*r.settle
		}
		return waited >= r.settle
	})
}

// patience is how many times as long is waited for calls that must come.
const patience = 5

// Waiting is how many requests have not been taken.
func (r *Recorder) Waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.takes)
}

func (r *Recorder) take(ready func(*take) bool) (list []*Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for n < len(r.ended) && ready(r.ended[n]) {
		t := r.ended[n]
		delete(r.takes, t.id)
		list = append(list, t.entry(r))
		n++
	}
	r.ended = slices.Delete(r.ended, 0, n)
	return list
}

// entry is what is written of a request.
func (t *take) entry(r *Recorder) *Entry {
	q := t.request
	e := &Entry{
		ID: trace.FormatID(t.id), At: t.began, Took: t.over.Sub(t.began).Seconds(), Site: t.site, Image: t.image,
		Request: Request{
			Method: q.Method, Target: q.RequestURI, Proto: q.Proto, Host: q.Host, TLS: q.TLS != nil, Client: q.RemoteAddr, User: t.user,
			Chunked: slices.Contains(q.TransferEncoding, "chunked"), Header: requestFields(t.raw, q.Header),
		},
		Lost: int(r.lost.Load() - t.lost),
	}
	var cut string
	if e.Request.Body, cut = t.in.take(); cut != "" {
		e.Cut = "the body of the request " + cut
	} else if t.body != nil && !t.body.end.Load() && int64(len(e.Request.Body)) != q.ContentLength {
		e.Cut = "the body of the request was not read to its end"
	}
	status, header := t.sent.head()
	e.Response = Response{Status: status, Header: fields(header), Broken: t.broken}
	if e.Response.Body, cut = t.out.take(); cut != "" && e.Cut == "" {
		e.Cut = "the body of the response " + cut
	}
	e.Calls = t.sequence()
	if e.Cut != "" {
		e.Request.Body, e.Response.Body = nil, nil
	}
	if r.mask {
		mask(e)
	}
	return e
}

// sequence are the calls in the order of their beginnings, with how deep they were inside of others.
func (t *take) sequence() (list []Call) {
	slices.SortStableFunc(t.calls, func(a, b call) int {
		if c := a.at.Compare(b.at); c != 0 || a.source != b.source {
			return c
		}
		return cmp.Compare(a.Span, b.Span)
	})
	type key struct{ source, span uint32 }
	depth := map[key]int{}
	for i := range t.calls {
		c := &t.calls[i]
		if d, inside := depth[key{c.source, c.parent}]; inside && c.parent != 0 {
			c.Depth = d + 1
		}
		depth[key{c.source, c.Span}] = c.Depth
		list = append(list, c.Call)
	}
	return list
}

// requestFields are the lines of a request's header, in the order in which they came if that is known.
func requestFields(raw []byte, h http.Header) (list Fields) {
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && !strings.EqualFold(name, "Host") {
			list = append(list, [2]string{name, strings.TrimPrefix(value, " ")})
		}
	}
	if raw == nil {
		list = fields(h)
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
