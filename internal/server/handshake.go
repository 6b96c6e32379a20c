package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/conn"
)

// handshaking does TLS handshakes before net/http gets a connection, because only then it is known whether it is
// HTTP/1.x (and handed over as a wrapper that sees the clear text) or HTTP/2 (and must be a *tls.Conn). A failed
// handshake is handed over too: net/http gets the same error again, logs it, and answers clients that speak plain HTTP.
type handshaking struct {
	*tap
	config  *tls.Config
	timeout time.Duration

	ready  chan net.Conn
	failed chan error
	ctx    context.Context
	cancel context.CancelFunc
	run    sync.WaitGroup // the accepting goroutine
	shakes sync.WaitGroup
	over   chan struct{} // closed when the tap is and no handshake is under way
}

func newHandshaking(t *tap, config *tls.Config, timeout time.Duration) *handshaking {
	h := &handshaking{
		tap: t, config: config, timeout: timeout,
		ready: make(chan net.Conn), failed: make(chan error), over: make(chan struct{}),
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.run.Go(h.accept)
	return h
}

// accept accepts until the tap is closed, then waits for the handshakes under way: a client that was accepted is served.
func (h *handshaking) accept() {
	defer close(h.over)
	defer h.shakes.Wait()
	for {
		c, err := h.tap.Accept()
		if err == nil {
			t := conn.Server(c.(*conn.Conn), h.config)
			h.shakes.Go(func() { h.shake(t) })
			continue
		}
		if h.stopped.Load() && errors.Is(err, net.ErrClosed) {
			return
		}
		select {
		case h.failed <- err: // net/http decides whether to go on, and waits before it asks again
		case <-h.ctx.Done():
			return
		}
	}
}

func (h *handshaking) shake(t *tls.Conn) {
	if h.timeout > 0 {
		_ = t.SetDeadline(time.Now().Add(h.timeout))
	}
	result := net.Conn(t)
	if err := t.HandshakeContext(h.ctx); err == nil {
		_ = t.SetDeadline(time.Time{})
		result = conn.Secured(t)
	}
	select {
	case h.ready <- result:
	case <-h.ctx.Done():
		_ = conn.Of(t).Close()
	}
}

// Accept implements [net.Listener].
func (h *handshaking) Accept() (net.Conn, error) {
	select {
	case c := <-h.ready:
		return c, nil
	case err := <-h.failed:
		return nil, err
	case <-h.over:
		return nil, net.ErrClosed
	case <-h.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close ends handshakes under way and returns when none is left.
func (h *handshaking) Close() error {
	h.cancel()
	err := h.tap.Close()
	h.run.Wait()
	return err
}
