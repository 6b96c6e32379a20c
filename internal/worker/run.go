package worker

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/wire"
)

// run runs one request.
func (w *worker) run(ext *extension.Extension, x *wire.Exchange) {
	m := &x.Req.HTTP
	body := x.Body()
	if m.Whole && len(m.Body) == 0 {
		body = http.NoBody
	}
	r, err := m.Request(x.Context(), body)
	if err != nil {
		x.End(wire.Result{Result: executor.Result{Fault: err, Broken: true}})
		return
	}
	c := &client{x: x, r: r}
	defer c.close()
	if x.Req.ID != 0 {
		c.trail.Reset(x.Req.ID, time.Now())
		c.trail.Trace = x.Req.Trace
	}
	if x.Req.Filtered != nil {
		x.End(wire.Result{Result: w.filtered(ext, x, r, c)})
		return
	}
	w.paths.target(&x.Req.Target)
	t := x.Req.Target
	t.Client, t.Trail = c, c.known()
	if x.Req.HasHost {
		t.Host = host{x, w.paths}
	}
	x.End(wire.Result{Result: ext.Execute(x, r, &t)})
}

// client is the connection under a request, at the other end of the wire.
type client struct {
	x     *wire.Exchange
	r     *http.Request
	trail executor.Trail

	mu    sync.Mutex // guards files
	files []*os.File
}

// known is what is known of the request; nil if the front gave it no ID.
func (c *client) known() *executor.Trail {
	if c.trail.ID == 0 {
		return nil
	}
	return &c.trail
}

// Client methods; package conn says what they do.

func (c *client) Alive() bool {
	if c.x.Context().Err() != nil {
		return false
	}
	ok, _, _ := c.x.Ask(wire.AskAlive, nil)
	return ok
}

func (c *client) Abort() error { return c.ask(wire.AskAbort) }

func (c *client) ResetOnClose() error { return c.ask(wire.AskReset) }

func (c *client) ask(topic wire.Topic) error {
	if ok, _, _ := c.x.Ask(topic, nil); !ok {
		return errors.ErrUnsupported
	}
	return nil
}

// Descriptor is a descriptor of this process for the front's socket; it is closed with the request.
func (c *client) Descriptor() (fd uintptr, ok bool) {
	ok, _, f := c.x.Ask(wire.AskDescriptor, nil)
	if f == nil {
		return 0, false
	}
	c.mu.Lock()
	c.files = append(c.files, f)
	c.mu.Unlock()
	raw, err := f.SyscallConn() // Fd would make it a blocking one, in the front, too
	if !ok || err != nil || raw.Control(func(d uintptr) { fd = d }) != nil {
		return 0, false
	}
	return fd, true
}

func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.files {
		f.Close()
	}
}

func (c *client) RawHeader(r *http.Request) []byte {
	if raw := c.x.Req.HTTP.Raw; raw != nil {
		return conn.MatchHeader(raw, r)
	}
	return nil
}

func (c *client) ServerCertificate() *x509.Certificate { return c.x.Req.HTTP.ServerCertificate() }

func (c *client) SetReason(_ int, text string) bool {
	if c.r.ProtoMajor != 1 {
		return false
	}
	c.x.SetReason(text)
	return true
}

func (c *client) Cork() {} // frames leave together anyway

func (c *client) Uncork() error { return nil }

// host is the server around the request, at the other end of the wire.
type host struct {
	x     *wire.Exchange
	paths paths
}

// Map implements [executor.Host].
func (h host) Map(urlPath string) (executor.Mapping, error) {
	ok, answer, _ := h.x.Ask(wire.AskMap, []byte(urlPath))
	if !ok {
		return executor.Mapping{}, fmt.Errorf("URL %q cannot be mapped: %s", urlPath, answer)
	}
	m, err := wire.DecodeMapping(answer)
	h.paths.mapping(&m)
	return m, err
}

// Exec implements [executor.Host].
func (h host) Exec(w http.ResponseWriter, r *http.Request, skipCurrent bool) {
	q := &wire.Request{For: wire.ForChild, Skip: skipCurrent}
	q.HTTP.Describe(r)
	h.child(w, r, q)
}

// Error implements [executor.Host]. The front's page sees the headers that are set already, and may remove some.
func (h host) Error(w http.ResponseWriter, r *http.Request, status, substatus int) {
	q := &wire.Request{For: wire.ForError, Status: status, Sub: substatus}
	q.HTTP.Describe(r)
	q.HTTP.Length = 0
	q.HTTP.Preset = w.Header().Clone()
	clear(w.Header())
	plain := *r
	plain.Body = http.NoBody
	h.child(w, &plain, q)
}

func (h host) child(w http.ResponseWriter, r *http.Request, q *wire.Request) {
	if res, err := h.ask(w, r, q); err != nil || res.Broken {
		panic(http.ErrAbortHandler)
	}
}

// ask has the front answer a child of the request.
func (h host) ask(w http.ResponseWriter, r *http.Request, q *wire.Request) (executor.Result, error) {
	q.HTTP.TLS = nil // the front knows
	q.Parent = h.x.ID()
	q.HTTP.Whole = r.Body == nil || r.Body == http.NoBody
	interrupt := func() {
		_ = h.x.SetReadDeadline(time.Unix(1, 0)) // the body may be what is left of the parent's
	}
	defer h.x.SetReadDeadline(time.Time{})
	body := r.Body
	if q.HTTP.Whole {
		body = nil
	}
	res, _, err := h.x.Link().Do(context.WithoutCancel(r.Context()), w, q, body, interrupt, childAsker{}, nil)
	return res.Result, err
}

// childAsker is the worker as the one who asks: a child request has no questions.
type childAsker struct{}

func (childAsker) Head(int, string) {}

func (childAsker) Question(wire.Topic, []byte) (ok bool, answer []byte, file *os.File) {
	return false, nil, nil
}

func (childAsker) Child(x *wire.Exchange) { x.End(wire.Result{}) }

func (childAsker) HangUp() {}
