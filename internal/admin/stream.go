package admin

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/swap"
)

// lines is an answer of JSON lines, each sent as soon as it is there.
type lines struct {
	w http.ResponseWriter

	mu    sync.Mutex // guards all below and w
	begun bool       // the status is sent
	gone  bool       // the client is: nothing is sent any more
}

func (l *lines) send(line SwapLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
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

func (l *lines) step(s swap.Step) { l.send(SwapLine{Step: &s}) }

// aliveEvery is how often a client that waits hears that the server lives.
const aliveEvery = 10 * time.Second

// alive sends an empty line now and then until stop is called.
func (l *lines) alive(every time.Duration) (stop func()) {
	ended := make(chan struct{})
	var sender sync.WaitGroup
	sender.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				l.send(SwapLine{})
			case <-ended:
				return
			}
		}
	})
	return func() { close(ended); sender.Wait() }
}

// stream answers with the steps of a swap and its receipt. An error before the first line is answered as on other paths. It returns
// the error it has answered with.
func (h *handler) stream(w http.ResponseWriter, r *http.Request, to route) error {
	out := &lines{w: w}
	receipt, err := to.swap(h, r, out)
	switch {
	case err == nil:
		out.send(SwapLine{Receipt: &receipt})
	case out.begun: // nobody else sends any more
		e := asError(err)
		out.send(SwapLine{Error: e, Status: e.Code})
	default:
		reply(w, nil, err)
	}
	return err
}
