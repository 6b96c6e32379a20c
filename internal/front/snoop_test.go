package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/hub"
	"github.com/isapid/isapid/internal/trace"
)

// listener takes a stream in.
type listener struct {
	stop context.CancelFunc
	done chan struct{}

	mu      sync.Mutex // guards all below
	calls   map[string]int
	about   map[uint64]trace.About
	images  map[string]bool
	dropped uint64
	err     error
}

// snoop begins to listen. Those that serve know of it when it returns.
func snoop(t *testing.T, c *Control, f trace.Filter) *listener {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &listener{stop: stop, done: make(chan struct{}), calls: map[string]int{}, about: map[uint64]trace.About{}, images: map[string]bool{}}
	in, out := io.Pipe()
	began := make(chan struct{})
	var once sync.Once
	var both sync.WaitGroup
	both.Go(func() {
		err := c.Snoop(ctx, "test", f, func(p []byte) error {
			once.Do(func() { close(began) })
			_, err := out.Write(p)
			return err
		})
		once.Do(func() { close(began) })
		out.Close()
		if err != nil {
			l.mu.Lock()
			l.err = err
			l.mu.Unlock()
		}
	})
	both.Go(func() { l.read(hub.NewReader(in)) })
	go func() { both.Wait(); close(l.done) }()
	<-began
	t.Cleanup(l.end)
	return l
}

func (l *listener) end() {
	l.stop()
	<-l.done
}

func (l *listener) read(r *hub.Reader) {
	for {
		one, err := r.Next()
		l.mu.Lock()
		switch {
		case errors.Is(err, io.EOF):
			l.mu.Unlock()
			return
		case err != nil:
			l.err = err
		case one.Kind == hub.KindDropped:
			l.dropped += one.Dropped
		case one.Kind == hub.KindImage:
			l.images[one.Image.Path] = true
		case one.Kind == hub.KindBatch:
			l.err = trace.Decode(one.Events, func(e *trace.Event) error {
				if e.Kind != trace.Leave {
					l.calls[trace.Name(e.Func, e.Code)]++
				}
				if about, ok := r.About(one.Source, e.Request); ok {
					l.about[e.Request] = about
				}
				return nil
			})
		}
		err = l.err
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (l *listener) count(call string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls[call]
}

// Calls are heard in both modes, with what they are about, and only those that fit.
func TestSnoop(t *testing.T) {
	for _, mode := range bothModes {
		t.Run(string(mode), func(t *testing.T) {
			x, control := insight(t, mode, nil)
			all := snoop(t, control, trace.Filter{})
			none := snoop(t, control, trace.Filter{URL: "/other/*"})
			if list := control.Status().Snoops; len(list) != 2 || list[0].Who != "test" || list[1].Filter.URL != "/other/*" {
				t.Errorf("snoops in the status: %+v", list)
			}
			if status, body := get(t, x.URLs()[0]+"hang/a/b?q=1"); status != 200 || body != "ok" {
				t.Fatalf("%d %q", status, body)
			}
			x.until("heard", func() bool { return all.count("HttpExtensionProc") == 1 && all.count("WriteClient") == 1 })
			all.mu.Lock()
			for id, a := range all.about {
				if id == 0 || a.Site != "test" || a.App != "/" || a.Method != "GET" || !strings.HasPrefix(a.URL, "/hang/a/b") || a.Image != x.image {
					t.Errorf("request %d is about %+v", id, a)
				}
			}
			if len(all.about) != 1 || !all.images[x.image] {
				t.Errorf("about %+v, images %v", all.about, all.images)
			}
			all.mu.Unlock()
			all.end()
			none.end()
			if all.err != nil || none.err != nil || len(none.calls) != 0 {
				t.Errorf("errors %v and %v; of what does not fit: %v", all.err, none.err, none.calls)
			}
			if list := control.Status().Snoops; len(list) != 0 {
				t.Errorf("snoops after the end: %+v", list)
			}
		})
	}
	control := func() *Control { _, c := insight(t, config.ModeInProcess, nil); return c }()
	if err := control.Snoop(t.Context(), "test", trace.Filter{Client: "nobody/1"}, nil); err == nil {
		t.Error("a filter that cannot be read: no error")
	}
}

// A thousand come and go while requests run: none of those is lost, or hears anything of it, and who listens all the time hears of all.
func TestSnoopComesAndGoes(t *testing.T) {
	const times, clients = 1000, 4
	for _, mode := range bothModes {
		t.Run(string(mode), func(t *testing.T) {
			x, control := insight(t, mode, nil)
			whole := snoop(t, control, trace.Filter{Calls: []string{"HttpExtensionProc"}})
			var over atomic.Bool
			var asked atomic.Int64
			var load sync.WaitGroup
			for range clients {
				load.Go(func() {
					client := http.Client{Transport: &http.Transport{}}
					defer client.CloseIdleConnections()
					for !over.Load() {
						resp, err := client.Get(x.URLs()[0] + "hang/x")
						if err != nil {
							t.Error(err)
							return
						}
						body, err := io.ReadAll(resp.Body)
						resp.Body.Close()
						if err != nil || resp.StatusCode != 200 || string(body) != "ok" {
							t.Errorf("%s %q %v", resp.Status, body, err)
							return
						}
						asked.Add(1)
					}
				})
			}
			for i := range times {
				f := trace.Filter{}
				if i%3 == 0 {
					f.URL = "/other"
				}
				ctx, leave := context.WithCancel(t.Context())
				if err := control.Snoop(ctx, fmt.Sprint(i), f, func([]byte) error { leave(); return nil }); err != nil {
					t.Error(i, err)
				}
				leave()
			}
			over.Store(true)
			load.Wait()
			x.until("all heard", func() bool {
				whole.mu.Lock()
				defer whole.mu.Unlock()
				return int64(whole.calls["HttpExtensionProc"])+int64(whole.dropped) >= asked.Load()
			})
			whole.end()
			if n := whole.calls["HttpExtensionProc"]; int64(n) != asked.Load() || whole.dropped != 0 || whole.err != nil {
				t.Errorf("%d requests: heard of %d, %d dropped, %v", asked.Load(), n, whole.dropped, whole.err)
			}
			if list := control.Status().Snoops; len(list) != 0 {
				t.Errorf("left: %+v", list)
			}
			t.Logf("%d requests", asked.Load())
		})
	}
}
