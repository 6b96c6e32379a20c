package server

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/isapid/isapid/internal/conn"
)

// Observer sees every request, also those that no site gets.
type Observer interface {
	// Begin is called on the goroutine of the request before anything is decided about it. It answers what is served in the place of w and
	// r, and what the other methods get for seen. A ResponseWriter in the place of w has the method Unwrap; a request in the place of r is a copy of it.
	Begin(w http.ResponseWriter, r *http.Request) (_ http.ResponseWriter, _ *http.Request, seen any)

	// NoSite tells that the request is for a host name that no site has, and of the status that it is answered.
	NoSite(seen any, status int)

	// End is called when the request has been answered, or could not be to its end: then complete is false.
	End(seen any, complete bool)
}

// ServeHTTP is the way of every request into a site.
func (v *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := v.server
	n := s.requests.Add(1)
	defer s.requests.Add(-1)
	if s.over.Load() {
		panic(http.ErrAbortHandler)
	}
	at := v.enter()
	defer at.plan.leave()
	if s.observer == nil {
		v.answer(at, n, w, r, nil)
		return
	}
	w, r, seen := s.observer.Begin(w, r)
	complete := false
	defer func() { s.observer.End(seen, complete) }()
	v.answer(at, n, w, r, seen)
	complete = true
}

// answer answers a request, which is the n-th of those that run.
func (v *service) answer(at *places, n int64, w http.ResponseWriter, r *http.Request, seen any) {
	l := &at.plan.limits
	if r.ContentLength != 0 && r.ProtoMajor == 1 {
		// Also for requests that are refused below: net/http reads on, to keep the connection.
		conn.From(r.Context()).SetBodyTimeout(positive(l.BodyTimeout))
	}

	p := at.find(r.Host)
	switch {
	case p == nil:
		if o := v.server.observer; o != nil {
			o.NoSite(seen, http.StatusNotFound)
		}
		plainError(w, r, http.StatusNotFound, fmt.Sprintf("no site here has the host name %q", r.Host))
	case p.asksClientElsewhere(at, r):
		p.site.fail(w, r, http.StatusMisdirectedRequest, 0)
	case l.Concurrent > 0 && n > int64(l.Concurrent):
		w.Header().Set("Retry-After", "1")
		p.site.fail(w, r, http.StatusServiceUnavailable, 2)
	case r.ProtoMajor >= 2:
		p.site.serveHTTP2(l, w, r)
	case p.site.admit(l, w, r):
		if r.ContentLength == 0 {
			p.site.Handler.ServeHTTP(w, r)
			return
		}
		p.site.serveBody(l, w, r)
	}
}

// admit answers requests that are too long, false, or lets them pass.
func (s *Site) admit(l *Limits, w http.ResponseWriter, r *http.Request) bool {
	if path, query, _ := strings.Cut(r.RequestURI, "?"); l.URL > 0 && len(path) > l.URL {
		s.fail(w, r, http.StatusNotFound, 14)
		return false
	} else if l.Query > 0 && len(query) > l.Query {
		s.fail(w, r, http.StatusNotFound, 15)
		return false
	}
	if l.Body > 0 && r.ContentLength > l.Body {
		if r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close")
		}
		s.fail(w, r, http.StatusRequestEntityTooLarge, 1)
		return false
	}
	return true
}

// serveBody is for HTTP/1.x requests with a body.
func (s *Site) serveBody(l *Limits, w http.ResponseWriter, r *http.Request) {
	if l.Body > 0 && r.ContentLength < 0 {
		serveUndeclared(s, l.Body, w, r)
	} else {
		s.Handler.ServeHTTP(w, r)
	}
	if conn.From(r.Context()).BodyTimedOut() {
		// Whatever the handler made of half a body, it must not look like an answer to a whole one.
		panic(http.ErrAbortHandler)
	}
}

// asksClientElsewhere tells whether r reached a place that wants client certificates over a connection that was made
// for another, which did not ask, or asked for others.
func (p *place) asksClientElsewhere(at *places, r *http.Request) bool {
	return p.asksClient() && (r.TLS == nil || at.presented(r.TLS.ServerName) != p)
}

func (s *Site) fail(w http.ResponseWriter, r *http.Request, status, substatus int) {
	if s.Error != nil {
		s.Error(w, r, status, substatus)
		return
	}
	text := http.StatusText(status)
	if substatus != 0 {
		text = fmt.Sprintf("%s (%d.%d)", text, status, substatus)
	}
	plainError(w, r, status, text)
}

func plainError(w http.ResponseWriter, _ *http.Request, status int, text string) {
	http.Error(w, text, status)
}
