package server

import (
	"context"
	"testing"
	"time"
)

func TestAlive(t *testing.T) {
	a := newAuthority(t)
	never := site("s", nil)
	never.Handler = newGate(t) // no site is asked
	secure := a.binding("a.test")
	secure.ClientAuth, secure.CAFile = "require", a.file
	for name, b := range map[string]Binding{"http": {Addr: ":0"}, "https": secure} {
		never.Bindings = []Binding{b}
		s := start(t, Limits{}, never)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for end := time.Now().Add(time.Minute); s.Alive(ctx) != nil; time.Sleep(time.Millisecond) { // until it serves
			if time.Now().After(end) {
				t.Fatalf("%s: %v", name, s.Alive(ctx))
			}
		}
		s.endpoints[0].services[0].stop()
		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		contains(t, s.Alive(ctx), "does not answer")
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		contains(t, s.Alive(t.Context()), "does not answer")
	}
}
