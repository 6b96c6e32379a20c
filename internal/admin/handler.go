package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/isapid/isapid/internal/swap"
)

const (
	maxRequest  = 16 << 10 // bytes of a request's body
	reloadLimit = 2 * time.Minute
	writeLimit  = 10 * time.Second // for a client to take its answer
)

// handler answers one request after another.
type handler struct {
	server Server
	log    *slog.Logger
	life   context.Context // of the socket: what a request began may outlive the request
}

// route is what a path does. An error becomes an [Error].
type route struct {
	method string
	limit  int64 // bytes of the body

	// One of them: what has one answer, which becomes JSON, and what replaces an image and tells its steps.
	answer func(*handler, *http.Request) (any, error)
	swap   func(h *handler, r *http.Request, out *lines) (swap.Receipt, error)
}

var routes = map[string]route{
	pathStatus:   plain(http.MethodGet, (*handler).status),
	pathRecycle:  plain(http.MethodPost, onPool(Server.Recycle)),
	pathStop:     plain(http.MethodPost, onPool(func(s Server, pool, _ string) error { return s.StopPool(pool) })),
	pathStart:    plain(http.MethodPost, onPool(func(s Server, pool, _ string) error { return s.StartPool(pool) })),
	pathReload:   plain(http.MethodPost, (*handler).reload),
	pathDrain:    plain(http.MethodPost, (*handler).drain),
	pathHistory:  plain(http.MethodPost, (*handler).history),
	pathDeploy:   {method: http.MethodPost, limit: maxFile, swap: (*handler).deploy},
	pathRollback: {method: http.MethodPost, limit: maxRequest, swap: (*handler).rollback},
}

func plain(method string, answer func(*handler, *http.Request) (any, error)) route {
	return route{method: method, limit: maxRequest, answer: answer}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to, err := h.find(r)
	if err != nil {
		reply(w, nil, err)
		return
	}
	limited := *r // net/http looks at the body of its own request when the handler has ended
	limited.Body = http.MaxBytesReader(w, r.Body, to.limit)
	if to.swap != nil {
		h.stream(w, &limited, to)
		return
	}
	v, err := to.answer(h, &limited)
	reply(w, v, err)
}

// reply sends the one answer of a request.
func reply(w http.ResponseWriter, v any, err error) {
	code := http.StatusOK
	if err != nil {
		e := asError(err)
		v, code = e, e.Code
	}
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeLimit)) // fails on a connection that is gone
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // an error means that the client is gone
}

// find is the route of a request, if who asks may take it.
func (h *handler) find(r *http.Request) (to route, err error) {
	who := peerOf(r)
	if !who.allowed() {
		h.log.Warn("control request refused", "path", r.URL.Path, "uid", who.uid, "pid", who.pid)
		return to, &Error{http.StatusForbidden, fmt.Sprintf("user %d may not control this server", who.uid), "ask as its user, or as root"}
	}
	to, ok := routes[r.URL.Path]
	if !ok {
		return to, &Error{http.StatusNotFound, fmt.Sprintf("there is no %q", r.URL.Path), "there are: " + strings.Join(slices.Sorted(maps.Keys(routes)), ", ")}
	}
	if r.Method != to.method {
		return to, &Error{http.StatusMethodNotAllowed, fmt.Sprintf("%s is not for %s", r.URL.Path, r.Method), "use " + to.method}
	}
	return to, nil
}

func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if errors.Is(err, ErrEnding) {
		return &Error{http.StatusConflict, ErrEnding.Error(), "nothing can be changed any more"}
	}
	return &Error{Code: http.StatusInternalServerError, Message: err.Error()}
}

func (h *handler) status(*http.Request) (any, error) {
	s := h.server.Status()
	s.URLs, s.Pools, s.InProcess = listed(s.URLs), listed(s.Pools), listed(s.InProcess)
	s.Images = listed(s.Images)
	return s, nil
}

// listed makes no list an empty one, which is another thing in JSON.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// onPool makes a route of what is done to one pool.
func onPool(do func(s Server, pool, reason string) error) func(*handler, *http.Request) (any, error) {
	return func(h *handler, r *http.Request) (any, error) {
		var in PoolRequest
		if err := read(r, &in); err != nil {
			return nil, err
		}
		if in.Pool == "" {
			return nil, &Error{http.StatusBadRequest, "no pool is named", `send {"pool": "NAME"}`}
		}
		if len(in.Reason) > maxReason {
			return nil, &Error{http.StatusBadRequest, fmt.Sprintf("the reason is %d bytes long", len(in.Reason)), fmt.Sprintf("say it in %d", maxReason)}
		}
		if in.Reason == "" {
			in.Reason = "asked by the operator"
		}
		status := h.server.Status()
		if err := do(h.server, in.Pool, in.Reason); err != nil {
			return nil, poolError(err, in.Pool, &status)
		}
		h.tell(r, "pool", in.Pool)
		return PoolResult{status.Named(in.Pool)}, nil
	}
}

// poolError says which pools there are, where that helps.
func poolError(err error, name string, s *Status) error {
	var names []string
	for i := range s.Pools {
		names = append(names, s.Pools[i].Of, s.Pools[i].Name)
	}
	slices.Sort(names)
	hint := "pools with workers: " + strings.Join(slices.Compact(names), ", ")
	if len(names) == 0 {
		hint = `no pool has workers; "mode: isolated" in the configuration of a pool gives it some`
	}
	switch {
	case errors.Is(err, ErrNoPool):
		return &Error{http.StatusNotFound, fmt.Sprintf("there is no pool %q", name), hint}
	case errors.Is(err, ErrInProcess):
		return &Error{http.StatusConflict, fmt.Sprintf("pool %q runs inside the server: it has no workers that could be replaced or stopped", name), hint}
	}
	return err
}

// reload goes on when the client has gone: what has begun shall not depend on somebody's terminal.
func (h *handler) reload(r *http.Request) (any, error) {
	if err := read(r, &struct{}{}); err != nil {
		return nil, err
	}
	h.tell(r)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), reloadLimit)
	defer cancel()
	result, err := h.server.Reload(ctx)
	switch {
	case errors.Is(err, ErrEnding):
		return nil, err
	case err != nil:
		return nil, &Error{http.StatusUnprocessableEntity, err.Error(), "nothing has changed: the server goes on with the configuration it has"}
	}
	result.Changes = listed(result.Changes)
	return result, nil
}

func (h *handler) drain(r *http.Request) (any, error) {
	if err := read(r, &struct{}{}); err != nil {
		return nil, err
	}
	h.tell(r)
	if err := h.server.Drain(); err != nil {
		return nil, err
	}
	return DrainResult{h.server.Status().Requests.Running}, nil
}

// tell has the log say who asked for something.
func (h *handler) tell(r *http.Request, args ...any) {
	who := peerOf(r)
	h.log.Info("control request", append([]any{"path", r.URL.Path, "uid", who.uid, "pid", who.pid}, args...)...)
}

// read takes the one JSON object of a body. No body is an empty object.
func read(r *http.Request, to any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(to)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err == nil {
			err = errors.New("there is more behind the object")
		}
	}
	if tooLong, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &Error{http.StatusRequestEntityTooLarge, fmt.Sprintf("the request is longer than %d bytes", tooLong.Limit), "its fields are in docs/control-api.md"}
	}
	return &Error{http.StatusBadRequest, "the request cannot be read: " + err.Error(), "send one JSON object with the fields in docs/control-api.md"}
}
