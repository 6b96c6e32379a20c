package pool

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// withFilter is a pool of puppets with an image and a filter in front of it; request runs one, and answers its status.
func withFilter(t *testing.T) (p *Pool, image, filter *member, request func() int) {
	t.Helper()
	f := &factory{}
	p = newPool(Settings{Name: "shop", Log: slog.New(f), Filters: []string{"filter.so"}}, f.start)
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	image, filter = mustOpen(t, p, "a.so").(*member), mustOpen(t, p, "filter.so").(*member)
	return p, image, filter, func() int {
		w := httptest.NewRecorder()
		image.Execute(w, httptest.NewRequest("GET", "/x", nil), &executor.Target{
			Filtered: &executor.Filtered{Filters: []executor.FilterRef{{Image: "filter.so"}}, Connection: 7},
		})
		return w.Code
	}
}

// TestBetweenTables: a request comes while other routes are published, and finds those of its image new and those of its filter old. Nobody wakes
// it by the table of its image any more.
func TestBetweenTables(t *testing.T) {
	p, image, filter, request := withFilter(t)
	if code := request(); code != 200 { // the routes to both are there
		t.Fatal(code)
	}
	c, refused := image.company(&executor.Filtered{Filters: []executor.FilterRef{{Image: "filter.so"}}})
	if refused != nil {
		t.Fatal(refused.why)
	}
	defer c.leave()
	p.mu.Lock() // as who publishes
	own, next := image.table.Load(), *filter.table.Load()
	before := filter.table.Swap(&table{changed: make(chan struct{})}) // to the generation before, which is gone
	close(before.changed)
	renewed := *own
	renewed.changed = make(chan struct{})
	image.table.Store(&renewed)
	close(own.changed)
	found := make(chan *refusal, 1)
	go func() {
		r, refused := image.route(t.Context(), c, &executor.Trail{}, false)
		if refused == nil {
			r.slot.Leave()
		}
		found <- refused
	}()
	for end := time.Now().Add(100 * time.Millisecond); p.waiting.Load() == 0 && time.Now().Before(end); { // it waits there, or for the lock
		time.Sleep(time.Millisecond)
	}
	next.changed = make(chan struct{})
	close(filter.table.Swap(&next).changed)
	p.mu.Unlock()
	select {
	case refused := <-found:
		if refused != nil {
			t.Error(refused.why)
		}
	case <-time.After(time.Minute):
		t.Error("nobody tells the request of the new routes")
		p.Stop() // which does
		<-found
	}
}

// TestNoHomeWithTheDead: a request that has just entered a worker makes it no home of its connection any more when it is gone.
func TestNoHomeWithTheDead(t *testing.T) {
	p, _, _, request := withFilter(t)
	if code := request(); code != 200 {
		t.Fatal(code)
	}
	home := p.homes.get(7)
	if home == nil {
		t.Fatal("the connection has no home")
	}
	home.process.Kill("test")
	<-home.alive.Done()
	p.homes.leave(home)
	p.homes.set(7, home)
	if p.homes.get(7) != nil {
		t.Error("its home is a worker that is gone, for good")
	}
}
