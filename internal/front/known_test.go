package front

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/isapid/isapid/internal/executor"
)

func TestKnown(t *testing.T) {
	for name, forget := range map[string]func(*cache, key){
		"removed": func(c *cache, k key) { c.remove(func(other key) bool { return other == k }) },
		"closed":  func(c *cache, _ key) { _ = c.close(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			c, want := newCache(), &closing{closed: make(chan struct{})}
			k, a := keyIn("p", "a.so"), asked{"a.so", &executor.App{}}
			e, err := c.ready(k, func() (executor.Executor, error) { return want, nil })
			if err != nil {
				t.Fatal(err)
			}
			var n known
			if n.find(a) != nil {
				t.Error("an executor is known that nobody has asked for")
			}
			n.add(a, e)
			n.add(asked{"b.so", a.app}, e)
			if got := n.find(a); got != e {
				t.Errorf("got %v, want %v", got, e)
			}
			if n.find(asked{"a.so", &executor.App{}}) != nil {
				t.Error("an executor is known for another application")
			}
			if forget(c, k); n.find(a) != nil {
				t.Error("an executor is known that the cache has no more")
			}
			if _, err := c.find(k); name == "removed" && !errors.Is(err, executor.ErrClosed) {
				t.Errorf("the cache has it: %v", err)
			}
		})
	}
}

// Names of images can come from URLs.
func TestKnownAreBounded(t *testing.T) {
	var n known
	app := &executor.App{}
	for i := range mostKnown + 10 {
		n.add(asked{fmt.Sprint(i), app}, &entry{})
	}
	if got := len(*n.all.Load()); got != mostKnown {
		t.Errorf("%d are known, want %d", got, mostKnown)
	}
}
