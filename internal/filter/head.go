package filter

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/isapid/isapid/internal/isapi"
)

// head is the head of the response: whoever sends one, the filters see it first.
type head struct {
	q      *run
	base   []field // what the header held when the request came
	reason uint32  // SF_DENIED_*, if it is known

	phrase   string // reason phrase of the extension, for the status reasonOf
	reasonOf int

	code    int    // the status line in SEND_RESPONSE
	text    string //
	changed bool   // by a filter

	sent    atomic.Bool // it is with the server
	dropped atomic.Bool // what whoever answers sends is dropped: a filter has answered in its place, or failed
	status  int         // as sent
	bytes   int64       // of the body, as far as whoever answers has sent it
	nobody  bool        // there is no body to this status
	broken  bool        // the response is to be broken off
	instead int         // status of the page to send when whoever answers is through

	inside     bool // the server's head is being shown to filters
	denying    bool // ACCESS_DENIED has been
	responding bool // SEND_RESPONSE is under way
	quiet      bool // filters are not shown any more
}

// field is what a header holds under a name.
type field struct {
	name   string
	values []string
}

func (h *head) init(q *run) {
	h.q = q
	if q.events&(isapi.NotifySendResponse|isapi.NotifyAccessDenied|isapi.NotifyURLMap) == 0 {
		return // no filter is asked when somebody else's response is about to begin
	}
	for name, values := range q.w.Header() {
		h.base = append(h.base, field{name, values})
	}
}

// restore makes the header what it was when the request came.
func (h *head) restore() {
	header := h.q.w.Header()
	clear(header)
	for _, f := range h.base {
		header[f.name] = f.values
	}
}

// begin sends a head, unless a filter wants something else in its place. own: it is a filter's own.
func (h *head) begin(status int, own bool) {
	q := h.q
	if !own {
		q.order.Lock()
		defer q.order.Unlock()
		h.inside = true
		defer func() { h.inside = false }()
	}
	if isDenial(status) && !h.denying && !h.quiet {
		h.denying = true
		if h.stopped(q.accessDenied(own), own) {
			return
		}
	}
	h.merge(status)
	h.code, h.text, h.changed = status, h.phraseOf(status), false
	if q.events&isapi.NotifySendResponse != 0 && !h.responding && !h.quiet {
		if h.stopped(h.sendResponse(), own) {
			return
		}
	}
	h.send()
}

// stopped tells whether a filter wants the head not to be sent.
func (h *head) stopped(v verdict, own bool) bool {
	q := h.q
	switch {
	case v == next || v == finished && own || v == failed && h.denying && !h.responding && q.errno == isapi.AccessDenied:
		return false
	case own:
		q.own.failed = true
	case q.own.begun || v == finished:
		h.dropped.Store(true)
	case v == failed && q.errno == isapi.AccessDenied:
		h.reason = isapi.DeniedFilter
		h.fail(http.StatusUnauthorized)
	default:
		h.fail(http.StatusInternalServerError)
	}
	return true
}

// fail drops the response that is under way and has a page in its place, or breaks it off.
func (h *head) fail(status int) {
	h.dropped.Store(true)
	if h.sent.Load() {
		h.broken = true
		return
	}
	h.instead = status
}

// sendResponse is SEND_RESPONSE: filters may change the head of the response.
func (h *head) sendResponse() verdict {
	q, f := h.q, funcs()
	at := q.base + atResponse
	h.responding = true
	v := q.notify(isapi.NotifySendResponse, at, func() int {
		return put(at, isapi.FilterSendResponse{GetHeader: f.get, SetHeader: f.set, AddHeader: f.add, HTTPStatus: uint32(h.code)})
	}, nil)
	h.responding = false
	return v
}

// send hands the head to the server.
func (h *head) send() {
	q := h.q
	if q.orig.ProtoMajor >= 2 { // the connection is not this response's alone
		for _, name := range [...]string{"Connection", "Keep-Alive", "Proxy-Connection", "Upgrade"} {
			delete(q.w.Header(), name)
		}
	} else if h.code != http.StatusSwitchingProtocols && q.full() {
		q.w.Header()["Connection"] = []string{"close"}
	}
	if h.changed {
		q.client.Client.SetReason(h.code, h.text)
	}
	h.status = h.code
	h.nobody = h.status == http.StatusNoContent || h.status == http.StatusNotModified
	h.sent.Store(true)
	q.w.WriteHeader(h.status)
}

// full tells whether a filter has so much memory of the connection that a new one is better.
func (q *run) full() bool {
	for i := range q.members {
		if q.members[i].s.taken.Load() > memoryEnough {
			return true
		}
	}
	return false
}

// end sends the page that a filter's failure has left to send.
func (h *head) end() {
	if h.instead == 0 || h.sent.Load() {
		return
	}
	status := h.instead
	h.restore()
	h.quiet = true
	h.dropped.Store(false)
	h.q.page(status, 0)
}

// phraseOf is the reason phrase of a status: the extension's, if it gave one.
func (h *head) phraseOf(status int) string {
	if h.reasonOf == status {
		return h.phrase
	}
	return http.StatusText(status)
}

// line is the whole status line.
func (h *head) line() string {
	return protocol(h.q.orig) + " " + strconv.Itoa(h.code) + " " + h.text
}

// merge puts what filters have added to the response into its header, and to every 401 the challenge.
func (h *head) merge(status int) {
	q := h.q
	q.mu.Lock()
	defer q.mu.Unlock()
	header := q.w.Header()
	addFields(header, q.added)
	q.added = none(q.added)
	if !isDenial(status) {
		return
	}
	addFields(header, q.denial)
	q.denial = none(q.denial)
	if status == http.StatusUnauthorized && len(header["Www-Authenticate"]) == 0 && len(values(header, "WWW-Authenticate")) == 0 {
		if realm := q.lead().Realm; realm != "" {
			header["Www-Authenticate"] = []string{`Basic realm="` + quoted.Replace(realm) + `", charset="UTF-8"`}
		}
	}
}

// none empties a list, and keeps its memory.
func none[T any](list []T) []T {
	clear(list)
	return list[:0]
}

var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// single are fields of which a response has one: the one it has counts.
var single = map[string]bool{
	"Content-Type": true, "Content-Encoding": true, "Content-Range": true, "Date": true, "Etag": true, "Last-Modified": true,
	"Location": true, "Server": true,
}

// addFields adds lines to the header of a response. The framing is not for lines to say.
func addFields(header http.Header, fields []isapi.Field) {
	for _, f := range fields {
		name := http.CanonicalHeaderKey(f.Name)
		switch {
		case framing(name):
		case name == "Connection":
			if strings.EqualFold(f.Value, "close") {
				header["Connection"] = []string{"close"}
			}
		case single[name] && len(values(header, name)) > 0:
		default:
			header[name] = append(header[name], f.Value)
		}
	}
}

// framing tells whether a field says where a message ends, or is the connection's.
func framing(canonical string) bool {
	switch canonical {
	case "Content-Length", "Transfer-Encoding", "Trailer", "Keep-Alive", "Proxy-Connection", "Upgrade":
		return true
	}
	return false
}
