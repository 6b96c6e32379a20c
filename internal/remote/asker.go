package remote

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/wire"
)

// asker is a request of ours: what a worker may ask about it. All but Head and HangUp may be called from several goroutines.
type asker struct {
	r      *http.Request
	w      http.ResponseWriter
	t      *executor.Target
	conn   *conn.Conn
	log    *slog.Logger
	chain  *chain // nil: it goes through no filters
	hangUp bool
}

// interrupt makes a read of the body that waits fail. net/http sets the deadline anew for what follows.
func (a *asker) interrupt() { _ = http.NewResponseController(a.w).SetReadDeadline(time.Unix(1, 0)) }

// Head implements [wire.Asker].
func (a *asker) Head(status int, reason string) {
	if reason != "" {
		a.conn.SetReason(status, reason)
	}
}

// HangUp implements [wire.Asker].
func (a *asker) HangUp() { a.hangUp = true }

// Question implements [wire.Asker].
func (a *asker) Question(topic wire.Topic, payload []byte) (ok bool, answer []byte, file *os.File) {
	defer func() {
		if p := recover(); p != nil {
			a.t.Trail.Logger(a.log).Error("question of a worker panicked", "panic", p, "url", a.r.URL.RequestURI(), "stack", string(debug.Stack()))
			ok, answer, file = false, nil, nil
		}
	}()
	whole := a.conn != nil && a.r.ProtoMajor < 2 // the connection is this request's alone
	switch topic {
	case wire.AskMap:
		if a.t.Host == nil {
			return false, []byte("there is no server around this extension that maps URLs"), nil
		}
		m, err := a.t.Host.Map(string(payload))
		if err != nil {
			return false, []byte(err.Error()), nil
		}
		return true, wire.EncodeMapping(m), nil
	case wire.AskAlive:
		return a.r.Context().Err() == nil && (!whole || a.conn.Alive()), nil, nil
	case wire.AskAbort:
		return whole && a.conn.Abort() == nil, nil, nil
	case wire.AskReset:
		return whole && a.conn.ResetOnClose() == nil, nil, nil
	case wire.AskDescriptor:
		if f := a.descriptor(); f != nil {
			return true, nil, f
		}
	case wire.AskRoute:
		return a.chain.askedRoute(payload)
	case wire.AskLogon:
		return a.chain.askedLogon(payload)
	}
	return false, nil, nil
}

// Child implements [wire.Asker]: a child request, a page for a status, or what answers a request that went through filters.
func (a *asker) Child(x *wire.Exchange) {
	var res executor.Result
	defer func() {
		if p := recover(); p != nil {
			if err, _ := p.(error); !errors.Is(err, http.ErrAbortHandler) {
				a.t.Trail.Logger(a.log).Error("child request panicked", "panic", p, "url", a.r.URL.RequestURI(), "stack", string(debug.Stack()))
			}
			res.Broken = true
		}
		x.End(wire.Result{Result: res})
	}()
	r, err := a.request(&x.Req.HTTP, x.Body())
	if err != nil || a.t.Host == nil || !a.chain.mayTry(r) {
		res.Broken = true
		return
	}
	if x.Req.HTTP.Whole && len(x.Req.HTTP.Body) == 0 {
		r.Body = http.NoBody
	}
	switch x.Req.For {
	case wire.ForError:
		a.t.Host.Error(x, r, x.Req.Status, x.Req.Sub)
	case wire.ForAnswer:
		res = a.chain.answer(x, r)
	default:
		a.t.Host.Exec(x, r, x.Req.Skip)
	}
}

// request is a request of the worker's for this one. Whose it is, and over which connection it came, is not the worker's to say.
func (a *asker) request(m *wire.Message, body io.ReadCloser) (*http.Request, error) {
	m.TLS, m.Remote, m.Local = nil, a.r.RemoteAddr, "" // the context knows the local address
	r, err := m.Request(a.r.Context(), body)
	if err != nil {
		return nil, err
	}
	r.TLS = a.r.TLS
	return r, nil
}
