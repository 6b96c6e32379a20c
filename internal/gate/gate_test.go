package gate

import (
	"context"
	"errors"
	"sync"
	"testing"
)

func TestGate(t *testing.T) {
	g := New()
	for range 2 {
		if !g.Enter() {
			t.Fatal("an open gate lets nobody in")
		}
	}
	if g.Inside() != 2 || g.Closed() {
		t.Fatalf("%d are inside, closed %v", g.Inside(), g.Closed())
	}
	g.Close()
	if g.Enter() || g.Inside() != 2 {
		t.Fatal("a closed gate lets somebody in")
	}
	cause := errors.New("no time")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := g.Wait(ctx); !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
	g.Open()
	if !g.Enter() {
		t.Error("a gate that was opened again lets nobody in")
	}
	g.Close()
	for range 3 {
		g.Leave()
	}
	if err := g.Wait(ctx); err != nil {
		t.Errorf("nobody is inside: %v", err)
	}
}

// Whoever waits learns it, however many they are, while others try to get in.
func TestWaiters(t *testing.T) {
	g := New()
	var out, waiters sync.WaitGroup
	for range 8 {
		out.Go(func() {
			for g.Enter() {
				g.Leave()
			}
		})
	}
	g.Enter()
	g.Close()
	out.Wait()
	for range 4 {
		waiters.Go(func() {
			if err := g.Wait(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	g.Leave()
	waiters.Wait()
	if g.Inside() != 0 {
		t.Errorf("%d are inside", g.Inside())
	}
}
