package admin

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/isapid/isapid/internal/swap"
)

// lines is an answer of JSON lines, each sent as soon as it is there.
type lines struct {
	w     http.ResponseWriter
	begun bool // the status is sent
	gone  bool // the client is: nothing is sent any more
}

func (l *lines) send(line SwapLine) {
	if l.gone {
		return
	}
	conn := http.NewResponseController(l.w)
	conn.SetWriteDeadline(time.Now().Add(writeLimit)) // fails on a connection that is gone
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", "application/jsonl")
		l.w.WriteHeader(http.StatusOK)
	}
	enc := json.NewEncoder(l.w)
	enc.SetEscapeHTML(false)
	l.gone = enc.Encode(line) != nil || conn.Flush() != nil
}

// stream answers with the steps of a swap and its receipt. An error before the first step is answered as on other paths.
func (h *handler) stream(w http.ResponseWriter, r *http.Request, to route) {
	out := &lines{w: w}
	receipt, err := to.swap(h, w, r, func(s swap.Step) { out.send(SwapLine{Step: &s}) })
	switch {
	case err == nil:
		out.send(SwapLine{Receipt: &receipt})
	case out.begun:
		e := asError(err)
		out.send(SwapLine{Error: e, Status: e.Code})
	default:
		reply(w, nil, err)
	}
}
