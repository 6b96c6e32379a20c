package spans

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// TestRetry: a collector that is busy gets them later; what it will never take is not sent again.
func TestRetry(t *testing.T) {
	c := newCollector(t, func(n int) (int, string, string) {
		return []int{503, 429, 502, 504, 200, 400, 200}[n], "", `{"partialSuccess":{"rejectedSpans":"1","errorMessage":"no"}}`
	})
	tr, log := tracer(t, Settings{Collector: c.URL, Sample: 1})
	for _, requests := range []int{5, 6, 7} {
		serve(tr, http.Header{}, Facts{}, nil)
		for {
			c.mu.Lock()
			n := c.requests
			c.mu.Unlock()
			if n == requests {
				break
			}
			<-c.got
		}
	}
	_ = tr.Close(t.Context()) // the last answer may come as late as that
	if got := tr.Stats(); got != (Stats{Refused: 3}) {
		t.Errorf("%+v", got)
	}
	if text := log.String(); strings.Count(text, "spans cannot be sent") != 2 || strings.Count(text, "spans are sent again") != 2 {
		t.Errorf("logged:\n%s", text)
	}
}

// TestFull: while the collector does not answer, requests go on, and what is too much is dropped and counted. The end does not wait
// longer than it may.
func TestFull(t *testing.T) {
	hold, there := make(chan struct{}), make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case there <- struct{}{}:
		default:
		}
		<-hold
	}))
	defer s.Close()
	defer close(hold)
	tr, _ := tracer(t, Settings{Collector: s.URL, Sample: 1, Queue: 10, Batch: 1})
	serve(tr, http.Header{}, Facts{}, nil)
	<-there
	for range 100 {
		serve(tr, http.Header{}, Facts{}, nil)
	}
	if got := tr.Stats(); got != (Stats{Dropped: 90}) {
		t.Errorf("%+v", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := tr.Close(ctx); err == nil || !strings.Contains(err.Error(), "11 spans") {
		t.Errorf("close: %v", err)
	}
	serve(tr, http.Header{}, Facts{}, nil) // too late
	if got := tr.Stats(); got != (Stats{Dropped: 91, Refused: 11}) {
		t.Errorf("%+v", got)
	}
}

// TestGone: without a collector spans are given up after some tries, and the end comes soon.
func TestGone(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	tr, log := tracer(t, Settings{Collector: s.URL, Sample: 1, Every: time.Hour, Again: time.Millisecond})
	serve(tr, http.Header{}, Facts{}, nil)
	if err := tr.Close(t.Context()); err == nil {
		t.Error("nothing is said of a lost span")
	}
	if got := tr.Stats(); got != (Stats{Refused: 1}) || !strings.Contains(log.String(), "spans cannot be sent") {
		t.Errorf("%+v, %s", got, log)
	}
}

// TestFlush: what waits is sent at the end, in pieces that are not too large.
func TestFlush(t *testing.T) {
	c := newCollector(t, nil)
	tr, _ := tracer(t, Settings{Collector: c.URL, Sample: 1, Every: time.Hour, Batch: 30})
	for range 100 {
		serve(tr, http.Header{}, Facts{}, nil)
	}
	closed(t, tr)
	if len(c.spans) != 100 || c.requests != 4 {
		t.Errorf("%d spans in %d requests", len(c.spans), c.requests)
	}
}

// TestAtOnce: many requests, and the end while they run.
func TestAtOnce(t *testing.T) {
	c := newCollector(t, nil)
	tr, _ := tracer(t, Settings{Collector: c.URL, Sample: 1, Batch: 20})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				serve(tr, http.Header{}, Facts{}, func(t *executor.Trail) { t.At(executor.StageRunning) })
			}
		})
	}
	<-c.got
	closed(t, tr)
	all.Wait()
	if st := tr.Stats(); st.Sent+st.Dropped != 3200 || st.Refused != 0 || int(st.Sent) != len(c.spans) {
		t.Errorf("%+v, %d spans", st, len(c.spans))
	}
}
