package filter

import (
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/trace"
	"github.com/isapid/isapid/internal/variables"
)

// Member is a filter of a chain.
type Member struct {
	Filter *Filter
	Global bool // of all sites: before those of the site
}

// Serve answers r through the filters of chain, which is in configured order. c is the connection it came on; nil, or one that has
// ended: one of its own, which ends with it. client may be nil: then it is the [conn.Conn] of the request, if there is one.
//
// It never panics because of what a filter did. The Result is that of whoever answered, with what filters made of it; if it is
// Broken, the caller must break the response off.
//
// Route, Logon and Answer of h may be called with other requests than r: copies of it, with its context and body, in which filters
// have changed something. The Target of the route given to Answer, if there is one, has Host and Client set: they are to be used
// for the request.
func Serve(w http.ResponseWriter, r *http.Request, c *Connection, chain []Member, h executor.FilterHost, client executor.Client, log *slog.Logger) executor.Result {
	if c == nil || !c.enter() {
		c = NewConnection(r.TLS != nil)
		defer c.End()
		c.enter()
	}
	defer c.leave()
	if client == nil {
		client = conn.From(r.Context())
	}
	q := runs.Get().(*run)
	q.w, q.orig, q.r, q.c, q.h, q.client, q.log = w, r, r, c, h, seer{client, q}, log
	if h, ok := h.(trailed); ok {
		q.trail = h.Trail()
	}
	q.listen(chain)
	q.join(chain)
	defer q.recycle()
	if q.events&isapi.NotifySendRawData != 0 {
		q.raw = rawWriter{ResponseWriter: w, r: r}
		q.w = &q.raw
	}
	if q.sameThread {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	return q.serve()
}

// run is one request on its way through the filters.
//
// The goroutine that serves it, or the thread of the extension that answers, calls the filters, one after the other; what they call
// back may come from other threads, but only as long as they are inside a notification. So whatever is not guarded by mu belongs
// to whoever notifies.
type run struct {
	*scratch
	w      http.ResponseWriter // the server's
	orig   *http.Request
	r      *http.Request // what filters have made of orig; another as soon as they change something
	c      *Connection
	h      executor.FilterHost
	client seer
	log    *slog.Logger
	began  time.Time // if there is a LOG

	recorder *trace.Recorder // nil: nobody wants to see the calls
	listens  bool            // the recorder is its own to end
	trail    *executor.Trail // with a recorder

	members []member
	few     [6]member // members, as long as they are few
	events  uint32    // that any of them wants

	sameThread bool
	route      *executor.Route // nil until somebody asks
	vars       variables.Request
	plain      executor.Target // where the request leads if no extension answers
	answering  bool            // Answer has been called
	handled    bool            // SF_STATUS_REQ_HANDLED_NOTIFICATION
	disconnect bool            // SF_STATUS_REQ_FINISHED
	errno      isapi.Error     // of SF_STATUS_REQ_ERROR
	telling    int             // notifications under way, one inside the other
	event      atomic.Uint32   // of the filters that are called in one go, or were last
	faultErr   error
	res        executor.Result

	face  face      // the response as whoever answers sees it
	head  head      // of the response
	own   own       // response of the filters'
	raw   rawWriter // below all that, where filters see what is sent
	rec   executor.LogRecord
	order sync.Mutex // one notification at a time, while an extension with many threads answers

	mu      sync.Mutex    // guards what callbacks change: r and what follows
	moved   bool          // r leads somewhere else than before
	growth  int           // bytes of header fields that filters have added
	added   []isapi.Field // AddResponseHeaders
	denial  []isapi.Field // SF_REQ_ADD_HEADERS_ON_DENIAL
	proxied bool          // SF_REQ_SET_PROXY_INFO
}

// member is a filter with its session on the connection of the request.
type member struct {
	s      *session
	before *run   // that the session had: s is in another request that makes this one
	inside int    // callbacks of that
	events uint32 // that it is to be told of
	plain  bool   // it is called on any thread, nobody looks, and nothing else calls it at the same time
	place  int    // in the order
}

var runs = sync.Pool{New: func() any {
	q := &run{scratch: newScratch()}
	runtime.AddCleanup(q, (*scratch).free, q.scratch)
	return q
}}

// join puts the filters in order: global ones before those of the site, each by priority, and as they are configured within one.
func (q *run) join(chain []Member) {
	q.members = q.few[:0]
	q.c.mu.Lock()
	for _, m := range chain {
		events := m.Filter.wanted(q.c.secure)
		if events == 0 {
			continue
		}
		place := m.Filter.class
		if !m.Global {
			place += 3
		}
		s := q.c.sessionLocked(m.Filter)
		at := len(q.members)
		for at > 0 && q.members[at-1].place > place {
			at--
		}
		q.members = append(q.members, member{})
		copy(q.members[at+1:], q.members[at:])
		q.members[at] = member{s: s, events: events, place: place, plain: q.recorder == nil && m.Filter.conf.On == nil && events&RawEvents == 0}
		q.events |= events
		q.sameThread = q.sameThread || m.Filter.conf.SameThread
	}
	for i := range q.members {
		m := &q.members[i]
		m.before, m.inside = m.s.join(q)
	}
	q.c.mu.Unlock()
}

// recycle ends the callbacks of the request and keeps its memory for another.
func (q *run) recycle() {
	q.c.mu.Lock()
	for i := len(q.members) - 1; i >= 0; i-- {
		q.members[i].s.part(q.members[i].before, q.members[i].inside)
	}
	q.c.mu.Unlock()
	q.unlisten()
	q.drop()
	kept, base, added, denial := q.scratch, none(q.head.base), none(q.added), none(q.denial)
	*q = run{} // in place: with anything in it, it would be made elsewhere and copied
	q.scratch, q.head.base, q.added, q.denial = kept, base, added, denial
	runs.Put(q)
}

// serve takes the request from PREPROC_HEADERS to LOG. The last steps are taken, too, when whoever answers panics.
func (q *run) serve() executor.Result {
	if q.events&isapi.NotifyLog != 0 {
		if q.trail != nil {
			q.began = q.trail.Began
		}
		if q.began.IsZero() { // in a worker nobody knows
			q.began = time.Now()
		}
	}
	q.face.q = q
	q.head.init(q)
	answered := false
	defer func() {
		if !answered {
			q.res.Broken = true
			q.end()
		}
	}()
	q.answer()
	answered = true
	return q.end()
}

// answer takes the request to its response.
func (q *run) answer() {
	v := q.preproc()
	if v == next {
		v = q.mapURLs()
	}
	if v == next {
		v = q.authenticate()
	}
	if v == next && !q.route.Denied {
		v = q.authComplete()
	}
	if v != next {
		q.stop(v)
		return
	}
	if q.route.Denied {
		q.head.reason = isapi.DeniedLogon
		if q.route.Realm == "" && !q.route.Anonymous { // there is no way in
			q.head.reason |= isapi.DeniedByConfig
		}
	}
	q.answering = true
	if t := q.route.Target; t != nil {
		t.Host = (*mapper)(q)
		if q.client.Client != noConn {
			t.Client = &q.client
		}
		if t.Trail == nil {
			t.Trail = q.trail
		}
	}
	q.res = q.h.Answer(&q.face, q.r, q.route)
	if !q.res.Broken {
		q.face.WriteHeader(http.StatusOK) // if there is no head yet, net/http makes one
	}
}

// noConn is no connection of ours: its methods do nothing and say so.
var noConn executor.Client = (*conn.Conn)(nil)

// stop ends a request that a filter did not let go on, before anybody answered it.
func (q *run) stop(v verdict) {
	switch {
	case q.own.begun || v == finished:
	case v == failed && q.errno == isapi.AccessDenied:
		q.head.reason = isapi.DeniedFilter
		q.page(http.StatusUnauthorized, 4)
	default:
		q.res.Win32 = uint32(q.errno)
		q.page(http.StatusInternalServerError, 0)
	}
}

// page answers with the server's page for a status.
func (q *run) page(status, substatus int) {
	q.res.Substatus = substatus
	q.h.Error(&q.face, q.r, status, substatus)
}

// end completes the response, and tells filters of the end of the request. They may still answer a request that nobody has.
func (q *run) end() executor.Result {
	q.answering = false
	if q.own.begun {
		q.own.end(q)
	} else {
		q.head.end()
	}
	q.flushRaw()
	q.always(isapi.NotifyEndOfRequest, 0, nil, nil)
	q.complete()
	q.flushRaw()
	q.logRecord()
	if q.res.Fault == nil {
		q.res.Fault = q.faultErr
	}
	return q.res
}

// flushRaw has filters see all that is sent before they are told that the request ends.
func (q *run) flushRaw() {
	if q.w == &q.raw && q.head.sent.Load() && !q.res.Broken && !q.head.broken {
		q.raw.finish()
	}
}

// complete makes the result say what was sent.
func (q *run) complete() {
	switch {
	case q.own.begun:
		q.res.Broken = false // that of the response in whose place it is
		q.res = q.own.result(q)
	case !q.head.sent.Load(): // a filter said FINISHED and sent nothing, or whoever answers has panicked
		q.res.Status, q.res.Broken = 0, true
	default:
		q.res.Status = q.head.status
		q.res.Bytes = max(q.res.Bytes, q.head.bytes)
		q.res.Broken = q.res.Broken || q.head.broken
	}
}

// always tells every filter that wants it of an event at the end, whatever the others did and whatever they return. LOG alone can be
// kept from those that follow, by HANDLED_NOTIFICATION: END_OF_REQUEST is where they free what they have.
func (q *run) always(event uint32, pv uintptr, made func() int, took func() error) {
	if q.events&event == 0 {
		return
	}
	for i := q.wanting(0, event); i >= 0; i = q.wanting(i+1, event) {
		var t told
		t, i = q.tell(i, event, pv, made, took)
		if t.err == nil && t.status == isapi.FilterHandledNotification && event == isapi.NotifyLog {
			return
		}
	}
}

// lead is where the request leads.
func (q *run) lead() *executor.Route {
	if q.route == nil {
		q.route = q.h.Route(q.r)
		if t := q.route.Target; t != nil && t.User == nil {
			t.User = q.route.User
		}
	}
	return q.route
}

// target is where the request leads as server variables tell it.
func (q *run) target() *executor.Target {
	rt := q.lead()
	if t := rt.Target; t != nil {
		if t.Trail == nil {
			t.Trail = q.trail
		}
		return t
	}
	path := q.physical()
	q.plain = executor.Target{Trail: q.trail, ScriptName: q.r.URL.Path, ScriptTranslated: path, PathInfo: q.r.URL.Path, PathTranslated: path, App: rt.App, User: rt.User}
	return &q.plain
}

// about says in logs which request it was; q may be nil.
func (q *run) about() []any {
	if q == nil {
		return nil
	}
	about := []any{"method", q.orig.Method, "url", q.orig.URL.RequestURI(), "client", q.orig.RemoteAddr}
	if id := q.trail.Number(); id != 0 {
		about = append(about, "request", trace.FormatID(id))
	}
	return about
}

// url is the target of the request as it is now, with its query.
func (q *run) url() string {
	if q.r.RequestURI != "" {
		return q.r.RequestURI
	}
	return q.r.URL.RequestURI()
}

// seer is the connection of the request: it sees the reason phrase that an extension gives to its response.
type seer struct {
	executor.Client
	q *run
}

// SetReason is told before the head of the response.
func (s *seer) SetReason(status int, text string) bool {
	if h := &s.q.head; !h.sent.Load() {
		h.reasonOf, h.phrase = status, strings.ToValidUTF8(text, "")
	}
	return s.Client.SetReason(status, text)
}
