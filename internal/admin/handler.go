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
	looks  context.Context // likewise, for requests that only look: ends when the socket begins to close

	// identify says who makes a request. With an error it is known as far as it goes.
	identify func(*http.Request) (caller, *Error)
}

// route is what a path does. An error becomes an [Error].
type route struct {
	method string
	needs  Role  // RoleControl: it changes something
	limit  int64 // bytes of the body

	// One of them: what has one answer, which becomes JSON; what replaces an image and tells its steps; what answers itself, unless there
	// is an error.
	answer func(*handler, *http.Request) (any, error)
	swap   func(h *handler, r *http.Request, out *lines) (swap.Receipt, error)
	serve  func(h *handler, w http.ResponseWriter, r *http.Request) error
}

var routes = map[string]route{
	pathStatus:  look(http.MethodGet, (*handler).status),
	pathHistory: look(http.MethodPost, (*handler).history),
	pathCrashes: look(http.MethodGet, (*handler).crashes),
	pathMetrics: {method: http.MethodGet, needs: RoleRead, limit: maxRequest, serve: (*handler).metrics},
	pathSnoop:   {method: http.MethodPost, needs: RoleRead, limit: maxRequest, serve: (*handler).snoop},

	pathRecycle:  change(onPool(Server.Recycle)),
	pathStop:     change(onPool(func(s Server, pool, _ string) error { return s.StopPool(pool) })),
	pathStart:    change(onPool(func(s Server, pool, _ string) error { return s.StartPool(pool) })),
	pathRecord:   {method: http.MethodPost, needs: RoleControl, limit: maxRequest, serve: (*handler).record},
	pathReload:   change((*handler).reload),
	pathReopen:   change((*handler).reopen),
	pathDrain:    change((*handler).drain),
	pathDeploy:   {method: http.MethodPost, needs: RoleControl, limit: maxFile, swap: (*handler).deploy},
	pathRollback: {method: http.MethodPost, needs: RoleControl, limit: maxRequest, swap: (*handler).rollback},
}

func look(method string, answer func(*handler, *http.Request) (any, error)) route {
	return route{method: method, needs: RoleRead, limit: maxRequest, answer: answer}
}

func change(answer func(*handler, *http.Request) (any, error)) route {
	return route{method: http.MethodPost, needs: RoleControl, limit: maxRequest, answer: answer}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{}
	to, err := h.find(r, c)
	if err != nil {
		reply(w, nil, err)
		return
	}
	limited := withCall(r, c) // a copy: net/http looks at the body of its own request when the handler has ended
	limited.Body = http.MaxBytesReader(w, r.Body, to.limit)
	switch {
	case to.swap != nil:
		err = h.stream(w, limited, to)
	case to.serve != nil:
		if err = to.serve(h, w, limited); err != nil {
			reply(w, nil, err)
		}
	default:
		var v any
		v, err = to.answer(h, limited)
		reply(w, v, err)
	}
	h.tellAtLeast(limited, to, err)
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

// find is the route of a request, if who asks may take it. It says in c who that is.
func (h *handler) find(r *http.Request, c *call) (to route, err error) {
	who, no := h.identify(r)
	c.caller = who
	if no != nil {
		h.refused(r, who)
		return to, no
	}
	to, ok := routes[r.URL.Path]
	if !ok {
		return to, &Error{http.StatusNotFound, fmt.Sprintf("there is no %q", r.URL.Path), "there are: " + strings.Join(slices.Sorted(maps.Keys(routes)), ", ")}
	}
	if r.Method != to.method {
		return to, &Error{http.StatusMethodNotAllowed, fmt.Sprintf("%s is not for %s", r.URL.Path, r.Method), "use " + to.method}
	}
	if !who.role.may(to.needs) {
		h.refused(r, who)
		return to, onlyReads(r.URL.Path)
	}
	return to, nil
}

func (h *handler) refused(r *http.Request, who caller) {
	h.log.Warn("control request refused", append([]any{"path", r.URL.Path}, who.attrs()...)...)
}

// onlyReads is the error of somebody who may look and asks for more.
func onlyReads(what string) *Error {
	return &Error{http.StatusForbidden, "the role read is not enough for " + what, "ask on the control socket, or with a token of the role control"}
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

func (h *handler) status(r *http.Request) (any, error) {
	s := h.server.Status()
	if err := h.inFlight(r, &s); err != nil {
		return nil, err
	}
	s.URLs, s.Pools, s.InProcess = listed(s.URLs), listed(s.Pools), listed(s.InProcess)
	s.Images, s.Misuse, s.Snoops = listed(s.Images), listed(s.Misuse), listed(s.Snoops)
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
