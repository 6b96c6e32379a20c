package front

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/inprocess"
	"github.com/isapid/isapid/internal/site"
)

// chain makes the chain in front of an application, loading filters if need be. open finds the executor of an image.
func (f *Front) chain(s *setup, open site.Opener, app *executor.App, filters []executor.FilterRef) (executor.Chain, error) {
	p := s.cfg.Pools[app.Pool]
	if p == nil {
		return nil, fmt.Errorf("pool %q is not defined", app.Pool)
	}
	if p.Mode == config.ModeIsolated {
		return f.workerChain(s, open, app, filters)
	}
	c := &chain{front: f, log: f.log.With("pool", app.Pool)}
	for _, ref := range filters {
		e, err := open(ref.Image, app)
		if err != nil {
			return nil, err
		}
		by, ok := filterOf(e)
		if !ok {
			return nil, fmt.Errorf("image %q cannot be used as a filter", ref.Image)
		}
		c.members = append(c.members, member{by, ref.Global})
	}
	return c, nil
}

// filtering is an image in this process that is a filter: one that can be replaced, or a version of it that is tried.
type filtering interface {
	Filter(p *inprocess.Passage) (*filter.Filter, error)
}

// filterOf finds the image in this process behind an executor.
func filterOf(e executor.Executor) (filtering, bool) {
	for {
		if by, ok := e.(filtering); ok {
			return by, true
		}
		around, ok := e.(interface{ Unwrap() executor.Replaceable })
		if !ok {
			return nil, false
		}
		e = around.Unwrap()
	}
}

// chain is filters in this process, in the order of the configuration.
type chain struct {
	front   *Front
	members []member
	log     *slog.Logger
}

type member struct {
	by     filtering
	global bool
}

// passage is what a request holds on its way through a chain.
type passage struct {
	in      *inprocess.Passage
	members []filter.Member
	raw     bool // one of them wants to see bytes
}

var passages = sync.Pool{New: func() any { return &passage{} }}

// beginPassage is for a request that came at a time. The caller must call end.
func beginPassage(r *http.Request, came time.Time) *passage {
	p := passages.Get().(*passage)
	p.in = inprocess.Begin(r, came)
	return p
}

// take has the request go through one more filter.
func (p *passage) take(m *member) error {
	f, err := m.by.Filter(p.in)
	if err != nil {
		return err
	}
	p.members = append(p.members, filter.Member{Filter: f, Global: m.global})
	p.raw = p.raw || f.Flags()&filter.RawEvents != 0
	return nil
}

// end lets go of all filters. res is what became of the request; nil: there was none.
func (p *passage) end(res *executor.Result) {
	p.in.End(res)
	clear(p.members)
	*p = passage{members: p.members[:0]}
	passages.Put(p)
}

// Inside implements [executor.Chain].
func (c *chain) Inside() bool { return true }

// Serve implements [executor.Chain].
func (c *chain) Serve(w http.ResponseWriter, r *http.Request, h executor.FilterHost) (res executor.Result) {
	p := beginPassage(r, cameAt(h))
	for i := range c.members {
		if err := p.take(&c.members[i]); err != nil {
			p.end(nil)
			return refused(w, r, h, err)
		}
	}
	res.Broken = true // unless it is told otherwise
	defer func() { p.end(&res) }()
	on := conn.From(r.Context())
	kept, ok := on.Keep(connectionKey{}, newConnection)
	if !ok { // the request is alone on its connection
		return filter.Serve(w, r, nil, p.members, h, on, c.log)
	}
	k := kept.(*connection)
	if p.raw || k.raw != nil {
		defer c.front.showBytes(k, r, p.members)()
	}
	return filter.Serve(w, r, k.Connection, p.members, h, on, c.log)
}

// cameAt is when the request of h came.
func cameAt(h executor.FilterHost) time.Time {
	if h, ok := h.(interface{ Trail() *executor.Trail }); ok {
		if t := h.Trail(); t != nil {
			return t.Began
		}
	}
	return time.Now()
}

// refused answers a request that cannot go through a filter.
func refused(w http.ResponseWriter, r *http.Request, h executor.FilterHost, err error) executor.Result {
	status := http.StatusInternalServerError
	if why := (*inprocess.RefusedError)(nil); errors.As(err, &why) {
		status = why.Status
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	h.Error(w, r, status, 0)
	return executor.Result{Status: status, LogData: err.Error()}
}

// connection is what filters in this process have for one, and what shows them its bytes.
type connection struct {
	*filter.Connection
	raw *filter.Raw // nil: nobody wants to see them
}

// connectionKey is what it is kept under.
type connectionKey struct{}

func newConnection(c *conn.Conn) conn.Kept {
	return &connection{Connection: filter.NewConnection(c.Secure())}
}
