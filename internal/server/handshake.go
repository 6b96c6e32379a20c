package server

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/conn"
)

// handshaking does TLS handshakes before net/http gets a connection, because only then it is known whether it is
// HTTP/1.x (and handed over as a wrapper that sees the clear text) or HTTP/2 (and must be a *tls.Conn). A failed
// handshake is handed over too: net/http gets the same error again, logs it, and answers clients that speak plain HTTP.
type handshaking struct {
	*wrapping
	config  *tls.Config
	timeout time.Duration

	ready  chan net.Conn
	failed chan error
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup // the accepting goroutine and one for each handshake
	once   sync.Once
}

func newHandshaking(l *wrapping, config *tls.Config, timeout time.Duration) *handshaking {
	h := &handshaking{wrapping: l, config: config, timeout: timeout, ready: make(chan net.Conn), failed: make(chan error)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.tasks.Add(1)
	go h.run()
	return h
}

// run accepts until Close.
func (h *handshaking) run() {
	defer h.tasks.Done()
	for {
		c, err := h.wrapping.Accept()
		if err == nil {
			h.tasks.Add(1)
			go h.shake(conn.Server(c.(*conn.Conn), h.config))
			continue
		}
		select {
		case h.failed <- err: // net/http decides whether to go on, and waits before it asks again
		case <-h.ctx.Done():
			return
		}
	}
}

func (h *handshaking) shake(t *tls.Conn) {
	defer h.tasks.Done()
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
	case <-h.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close ends handshakes under way and returns when none is left.
func (h *handshaking) Close() error {
	h.once.Do(h.cancel)
	err := h.wrapping.Close()
	h.tasks.Wait()
	return err
}
