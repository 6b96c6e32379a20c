package remote

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/wire"
)

// chain is a request that goes through filters in the worker: what that may ask for them, and what it was told. A nil chain is that
// of a request without filters.
//
// The worker gets routes and users for its filters only. Nothing that it says of either is believed: where a request leads is found
// anew, and a user must be one whom it was told. Whether he may come in there is for the URL space to say.
type chain struct {
	f *executor.Filtered
	w *Worker
	a *asker

	mu     sync.Mutex // guards all below
	images []*Image   // entered for the request
	tries  int        // whom a name and a password let in
	users  []*executor.User
}

// maxTries is how often a worker may try for one request whom a name and a password let in. What it could gain by that any client
// can; but a client is seen, and its tries are paid for by its own connections.
const maxTries = 16

// chain enters the images of the filters. The caller must call leave. False: one of them is not loaded.
func (w *Worker) chain(f *executor.Filtered) (*chain, bool) {
	if f == nil {
		return nil, true
	}
	c := &chain{f: f, w: w}
	for _, ref := range f.Filters {
		i := w.loaded(ref.Image)
		if i == nil || !i.enter() {
			c.leave()
			return nil, false
		}
		c.images = append(c.images, i)
	}
	return c, true
}

// loaded is the image from a path that takes requests; nil if there is none.
func (w *Worker) loaded(path string) *Image {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range w.images {
		if i.path == path && i.serves() {
			return i
		}
	}
	return nil
}

// serves says whether it is loaded and not closed.
func (i *Image) serves() bool {
	select {
	case <-i.loading:
	default:
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.loaded && !i.closed
}

func (c *chain) leave() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range c.images {
		i.leave()
	}
	c.images = nil
}

// described is what the worker is told with the request that came on a connection. Of one whose end nobody will tell, the worker
// keeps nothing.
func (c *chain) described(on *conn.Conn) *wire.Filtered {
	if c == nil {
		return nil
	}
	f := &wire.Filtered{Route: c.f.Route, Connection: c.f.Connection, Local: c.f.Local}
	for n, ref := range c.f.Filters {
		f.Filters = append(f.Filters, wire.Filter{Image: c.images[n].id, Global: ref.Global})
	}
	w, number := c.w, f.Connection // a connection keeps no more of a request than these
	if number != 0 && !on.AtEnd(w, func() { w.ended(number) }) {
		f.Connection = 0
	}
	return f
}

// ended: a connection has.
func (w *Worker) ended(connection uint64) {
	w.link.Tell(wire.NoteEnded, wire.EncodeEnded(connection))
	w.s.Notify(Event{Kind: Ended, Connection: connection})
}

// askedRoute answers [wire.AskRoute].
func (c *chain) askedRoute(payload []byte) (ok bool, answer []byte, file *os.File) {
	if c == nil {
		return false, nil, nil
	}
	m, err := wire.DecodeMessage(payload)
	if err != nil {
		return c.broken(err)
	}
	r, err := c.a.request(m, http.NoBody)
	if err != nil || !c.mayTry(r) {
		return false, nil, nil
	}
	rt := c.routeOf(r)
	c.tell(rt.User)
	return true, wire.EncodeRouted(&wire.Routed{Route: rt, Image: c.here(rt)}), nil
}

// here enters the image of a route, if the worker has it and may run it. 0: it may not.
func (c *chain) here(rt *executor.Route) uint64 {
	if rt.Image == "" || c.f.Here == nil || !c.f.Here(rt) {
		return 0
	}
	i := c.w.loaded(rt.Image)
	c.mu.Lock()
	defer c.mu.Unlock()
	if i == nil || c.images == nil {
		return 0
	}
	if !slices.Contains(c.images, i) {
		if !i.enter() {
			return 0
		}
		c.images = append(c.images, i)
	}
	return i.id
}

// askedLogon answers [wire.AskLogon].
func (c *chain) askedLogon(payload []byte) (ok bool, answer []byte, file *os.File) {
	if c == nil {
		return false, nil, nil
	}
	l, err := wire.DecodeLogon(payload)
	if err != nil {
		return c.broken(err)
	}
	r, err := c.a.request(&l.HTTP, http.NoBody)
	if err != nil || !c.mayTry(r) || !c.try() {
		return false, nil, nil
	}
	u, denied := c.f.Host.Logon(r, c.routeOf(r), l.User, l.Password)
	if denied {
		return false, nil, nil
	}
	c.tell(u)
	return true, wire.EncodeUser(u), nil
}

// tell notes whom the worker is told of, the last of them.
func (c *chain) tell(u *executor.User) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if u == nil {
		return
	}
	if len(c.users) == maxTries {
		c.users = slices.Delete(c.users, 0, 1)
	}
	c.users = append(c.users, u)
}

// broken ends the link: the worker has broken a rule.
func (c *chain) broken(err error) (ok bool, answer []byte, file *os.File) {
	c.w.link.Close(err)
	return false, nil, nil
}

// try counts that somebody is tried.
func (c *chain) try() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tries++
	return c.tries <= maxTries
}

// mayTry says whether a request of the worker's may be looked at. With other credentials than the client gave it tries somebody.
func (c *chain) mayTry(r *http.Request) bool {
	return c == nil || slices.Equal(r.Header["Authorization"], c.a.r.Header["Authorization"]) || c.try()
}

// routeOf is where a request of the worker's leads, for the caller to change.
func (c *chain) routeOf(r *http.Request) *executor.Route {
	if !sameTarget(r, c.a.r) {
		return c.f.Host.Route(r)
	}
	rt := *c.f.Route
	rt.Maps = slices.Clone(rt.Maps)
	if rt.Target != nil {
		t := *rt.Target
		rt.Target = &t
	}
	return &rt
}

// sameTarget says whether two requests lead to the same, for the same user.
func sameTarget(a, b *http.Request) bool {
	return a.Method == b.Method && a.Host == b.Host && a.RequestURI == b.RequestURI && *a.URL == *b.URL &&
		slices.Equal(a.Header["Authorization"], b.Header["Authorization"])
}

// answer runs what answers a request that the filters of the worker have let through. What faults on the way is none of the worker.
func (c *chain) answer(x *wire.Exchange, r *http.Request) (res executor.Result) {
	if c == nil {
		return executor.Result{Broken: true}
	}
	rt := c.routeOf(r)
	if !c.change(rt, &x.Req.Changes) {
		c.f.Host.Error(x, r, http.StatusForbidden, 0)
		return executor.Result{Status: http.StatusForbidden}
	}
	res = c.f.Host.Answer(x, r, rt)
	if res.Fault != nil && res.LogData == "" {
		res.LogData = res.Fault.Error()
	}
	res.Fault = nil
	return res
}

// change makes the changes of filters in a route; false if they must not be.
func (c *chain) change(rt *executor.Route, by *wire.Changes) bool {
	for _, p := range by.Paths {
		if p.Map >= len(rt.Maps) || !c.mayServe(rt, p.Path) {
			c.a.t.Trail.Logger(c.a.log).Warn("path of a filter refused: it is outside of the folders of its site, and its worker is restricted", "path", p.Path, "url", c.a.r.URL.RequestURI())
			return false
		}
	}
	for _, p := range by.Paths {
		rt.Maps[p.Map].Path, rt.Maps[p.Map].Changed = p.Path, true
	}
	c.tell(rt.User)
	rt.User, rt.Denied = by.User, by.Denied || by.User != nil && !c.told(by.User)
	return true
}

// told says whether the worker was told of a user. The name the client gave is a filter's to say.
func (c *chain) told(u *executor.User) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.users, func(t *executor.User) bool { return t.Name == u.Name && t.Password == u.Password && t.Type == u.Type })
}

// mayServe says whether the front may answer with what is at a path that comes from the worker. One that is restricted in nothing could read
// it itself; for another it is where the site has its files, or what the worker may read.
func (c *chain) mayServe(rt *executor.Route, path string) bool {
	s := &c.w.s
	if s.Sandbox == nil && s.Spec.User == "" && s.Spec.Group == "" {
		return true
	}
	folders := []string{}
	if a := rt.App; a != nil {
		folders = append(folders, a.DocumentRoot, a.PhysicalPath)
	}
	for _, m := range rt.Maps {
		folders = append(folders, m.Path[:min(m.MatchedPath, len(m.Path))])
	}
	if s.Sandbox != nil {
		folders = append(append(folders, s.Sandbox.Read...), s.Sandbox.Write...)
	}
	path = filepath.Clean(path)
	return filepath.IsAbs(path) && slices.ContainsFunc(folders, func(folder string) bool {
		return folder != "" && (path == filepath.Clean(folder) || strings.HasPrefix(path, strings.TrimSuffix(filepath.Clean(folder), string(filepath.Separator))+string(filepath.Separator)))
	})
}
