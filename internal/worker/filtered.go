package worker

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/wire"
)

// filtered runs a request that goes through filters first.
func (w *worker) filtered(ext *extension.Extension, x *wire.Exchange, r *http.Request, c *client) (res executor.Result) {
	chain, leave, err := w.enter(x.Req.Filtered.Filters)
	defer leave()
	if err != nil {
		host{x, w.paths}.Error(x, r, http.StatusServiceUnavailable, 0)
		return executor.Result{Status: http.StatusServiceUnavailable, LogData: err.Error()}
	}
	defer func() {
		if p := recover(); p != nil {
			if err, _ := p.(error); !errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			res.Broken = true
		}
	}()
	f := x.Req.Filtered
	w.paths.route(f.Route)
	h := &filterHost{host: host{x, w.paths}, w: w, c: c, begun: targetOf(r), route: f.Route}
	if f.Local {
		h.local = append(h.local, ours{f.Route.Image, ext})
	}
	on := w.sessions.get(f.Connection, r.TLS != nil)
	return filter.Serve(x, r, on, chain, h, c, w.log)
}

// enter finds the filters of a request and counts it into their images. The caller must call leave, also after an error.
func (w *worker) enter(list []wire.Filter) (chain []filter.Member, leave func(), err error) {
	var inside []*extension.Extension
	leave = func() {
		for _, e := range inside {
			e.Leave()
		}
	}
	for _, one := range list {
		e, err := w.find(one.Image)
		switch {
		case err != nil:
			return nil, leave, err
		case e.Filter() == nil:
			return nil, leave, fmt.Errorf("image %d is no filter", one.Image)
		case !e.Enter():
			return nil, leave, errors.New("filter is being unloaded")
		}
		inside = append(inside, e)
		chain = append(chain, filter.Member{Filter: e.Filter(), Global: one.Global})
	}
	return chain, leave, nil
}

// filterHost is the [executor.FilterHost] at the other end of the wire. What came with the request is not asked for again. It is used
// by one goroutine, but for what host does.
type filterHost struct {
	host
	w     *worker
	c     *client
	begun target // of the request as it came
	route *executor.Route
	local []ours // what can be run right here
}

// ours is an image of a route that this process has loaded.
type ours struct {
	image string
	ext   *extension.Extension
}

// Trail is what is known of the request, for the filters and for what answers it here.
func (h *filterHost) Trail() *executor.Trail { return h.c.known() }

// target is what decides where a request leads, and who asks.
type target struct {
	method, uri, url, host string
	credentials            string
}

func targetOf(r *http.Request) target {
	return target{r.Method, r.RequestURI, r.URL.String(), r.Host, strings.Join(r.Header["Authorization"], "\n")}
}

// describe is the request without its body, for a question about it.
func describe(r *http.Request) (m wire.Message) {
	m.Describe(r)
	m.TLS, m.Length = nil, 0 // the front knows both
	return m
}

// Route implements [executor.FilterHost].
func (h *filterHost) Route(r *http.Request) *executor.Route {
	if targetOf(r) == h.begun {
		return h.route
	}
	m := describe(r)
	ok, answer, _ := h.x.Ask(wire.AskRoute, wire.EncodeMessage(&m))
	nowhere := &executor.Route{App: h.route.App, Denied: true}
	if !ok {
		return nowhere
	}
	to, err := wire.DecodeRouted(answer)
	if err != nil {
		return nowhere
	}
	h.paths.route(to.Route)
	if to.Image != 0 {
		if ext, err := h.w.find(to.Image); err == nil {
			h.local = append(h.local, ours{to.Route.Image, ext})
		}
	}
	return to.Route
}

// Logon implements [executor.FilterHost].
func (h *filterHost) Logon(r *http.Request, rt *executor.Route, user, password string) (u *executor.User, denied bool) {
	if name, word, _, _ := executor.Credentials(r); name == user && word == password && !rt.Denied { // else a filter vouches for him
		return rt.User, rt.Denied
	}
	ok, answer, _ := h.x.Ask(wire.AskLogon, wire.EncodeLogon(&wire.Logon{HTTP: describe(r), User: user, Password: password}))
	if !ok {
		return nil, true
	}
	u, err := wire.DecodeUser(answer)
	return u, err != nil
}

// Answer implements [executor.FilterHost].
func (h *filterHost) Answer(w http.ResponseWriter, r *http.Request, rt *executor.Route) executor.Result {
	if ext := h.runs(rt); ext != nil {
		t := *rt.Target
		t.User, t.Timed, t.Trail = rt.User, h.x.Req.Timed, h.Trail()
		if t.Host == nil {
			t.Host = h.host
		}
		if t.Client == nil {
			t.Client = h.c
		}
		return ext.Execute(w, r, &t)
	}
	changed, err := h.paths.changed(rt)
	if err != nil {
		h.w.log.Warn("path of a filter refused: it is none that the server knows", "error", err, "url", r.URL.RequestURI())
		h.Error(w, r, http.StatusForbidden, 0)
		return executor.Result{Status: http.StatusForbidden}
	}
	q := &wire.Request{For: wire.ForAnswer, Changes: wire.Changes{Paths: changed, User: rt.User, Denied: rt.Denied}}
	q.HTTP.Describe(r)
	res, err := h.ask(w, r, q)
	if err != nil {
		return executor.Result{Broken: true}
	}
	return res
}

// runs is the extension that answers a route, if that can be done here: nobody is turned away, and filters have not put in place of
// the URL what may lead to another image.
func (h *filterHost) runs(rt *executor.Route) *extension.Extension {
	at := slices.IndexFunc(h.local, func(o ours) bool { return o.image == rt.Image })
	if at < 0 || rt.Target == nil || rt.Denied {
		return nil
	}
	moved, fixed := false, true
	for _, m := range rt.Maps {
		if m.What != executor.MapPathInfo {
			moved = moved || m.Changed
			fixed = fixed && m.What == executor.MapScript && m.ScriptMap != ""
		}
	}
	if moved && !fixed {
		return nil
	}
	return h.local[at].ext
}
