package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/isapid/isapid/internal/hub"
	"github.com/isapid/isapid/internal/trace"
)

// inFlight adds the requests in flight to a status, if the query asks for them.
func (h *handler) inFlight(r *http.Request, s *Status) error {
	var requests, calls bool
	if err := readQuery(r, map[string]any{"requests": &requests, "calls": &calls}); err != nil || !requests {
		return err
	}
	s.InFlight = h.server.InFlight(calls)
	return nil
}

// readQuery sets the fields of a query: each a *bool or a *string.
func readQuery(r *http.Request, fields map[string]any) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &Error{http.StatusBadRequest, "the query cannot be read: " + err.Error(), "its fields are in docs/control-api.md"}
	}
	for name, values := range query {
		switch to := fields[name].(type) {
		case *bool:
			*to, err = strconv.ParseBool(values[0])
		case *string:
			*to = values[0]
		default:
			err = errors.New("unknown field")
		}
		if err != nil || len(values) > 1 {
			return &Error{http.StatusBadRequest, fmt.Sprintf("the query cannot be read: %s=%q", name, values), "its fields are in docs/control-api.md"}
		}
	}
	return nil
}

// crashes lists what is kept on file, or has one of them.
func (h *handler) crashes(r *http.Request) (any, error) {
	var id string
	if err := readQuery(r, map[string]any{"id": &id}); err != nil {
		return nil, err
	}
	if id == "" {
		list, err := h.server.Crashes()
		return CrashesResult{listed(list)}, err
	}
	one, err := h.server.Crash(id)
	if errors.Is(err, ErrNoCrash) {
		return nil, &Error{http.StatusNotFound, fmt.Sprintf("there is no crash %q", id), "isapid crashes lists those that are kept"}
	}
	return one, err
}

func (h *handler) reopen(r *http.Request) (any, error) {
	if err := read(r, &struct{}{}); err != nil {
		return nil, err
	}
	h.tell(r)
	return struct{}{}, h.server.Reopen()
}

func (h *handler) metrics(w http.ResponseWriter, r *http.Request) error {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeLimit)) // fails on a connection that is gone
	h.server.Metrics().ServeHTTP(w, r)
	return nil
}

// snoop sends the events that somebody wants to see.
func (h *handler) snoop(w http.ResponseWriter, r *http.Request) error {
	var f trace.Filter
	if err := read(r, &f); err != nil {
		return err
	}
	who := callOf(r)
	if (f.Secrets || f.Body > 0) && !who.role.may(RoleControl) {
		h.refused(r, who.caller)
		return onlyReads("secrets and bodies")
	}
	h.tell(r, "filter", filterText(f))
	return h.pour(w, r, hub.ContentType, func(ctx context.Context, write func([]byte) error) error {
		return h.server.Snoop(ctx, who.String(), f, write)
	})
}

// record sends a tape.
func (h *handler) record(w http.ResponseWriter, r *http.Request) error {
	var asked RecordRequest
	if err := read(r, &asked); err != nil {
		return err
	}
	h.tell(r, "filter", filterText(asked.Filter), "mask", asked.Mask)
	return h.pour(w, r, "application/vnd.isapid.tape", func(ctx context.Context, write func([]byte) error) error {
		return h.server.Record(ctx, callOf(r).String(), asked.Filter, asked.Mask, write)
	})
}

// described is a filter for the log.
func filterText(f trace.Filter) string {
	text, err := json.Marshal(f)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// pour answers with what source writes, until the client has enough, the source, or the server.
func (h *handler) pour(w http.ResponseWriter, r *http.Request, kind string, source func(ctx context.Context, write func([]byte) error) error) error {
	out := &pieces{w: w, conn: http.NewResponseController(w), kind: kind}
	out.conn.SetReadDeadline(time.Time{}) // what is read from now on is only that the client has gone
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(h.looks, cancel)()
	err := source(ctx, out.write)
	switch {
	case err == nil || out.begun: // what was sent ends here, and says so
		return nil
	case errors.Is(err, hub.ErrFilter):
		return &Error{http.StatusBadRequest, err.Error(), "isapid snoop --help tells what can be filtered"}
	case errors.Is(err, hub.ErrMany):
		return &Error{http.StatusConflict, err.Error(), "end one of them; isapid status lists them"}
	}
	return err
}

// pieces is an answer that is sent as it comes.
type pieces struct {
	w     http.ResponseWriter
	conn  *http.ResponseController
	kind  string // Content-Type
	begun bool
}

func (p *pieces) write(piece []byte) error {
	if !p.begun {
		p.begun = true
		p.w.Header().Set("Content-Type", p.kind)
		p.w.WriteHeader(http.StatusOK)
	}
	p.conn.SetWriteDeadline(time.Now().Add(writeLimit)) // fails on a connection that is gone
	if _, err := p.w.Write(piece); err != nil {
		return err
	}
	return p.conn.Flush()
}
