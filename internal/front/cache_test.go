package front

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// closing is an executor of which only Close matters here.
type closing struct {
	err    error
	closed chan struct{}
}

func (c *closing) Execute(http.ResponseWriter, *http.Request, *executor.Target) executor.Result {
	return executor.Result{}
}
func (c *closing) Description() string { return "" }
func (c *closing) Close(context.Context) error {
	close(c.closed)
	return c.err
}

func keyIn(pool, image string) key { return key{image: image, group: group{pool: pool, name: pool}} }

func TestConcurrentRequestsShareOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loads []string
		release := make(chan struct{})
		want := &closing{closed: make(chan struct{})}
		c := newCache()
		get := func(k key) (executor.Executor, error) {
			return c.get(k, func() (executor.Executor, error) {
				loads = append(loads, k.image+" "+k.group.pool)
				<-release
				return want, nil
			})
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				got, err := get(keyIn("p", "a.so"))
				if err != nil || got != want {
					t.Errorf("get = %v, %v; want the one executor", got, err)
				}
			})
		}
		synctest.Wait() // all are waiting for the load
		close(release)
		wg.Wait()
		if len(loads) != 1 || loads[0] != "a.so p" {
			t.Errorf("loads %q, want one of a.so for p", loads)
		}
		if _, err := get(keyIn("q", "a.so")); err != nil || len(loads) != 2 {
			t.Errorf("another pool: %v, %d loads; want its own executor", err, len(loads))
		}
	})
}

func TestFailedLoadIsRemembered(t *testing.T) {
	image := filepath.Join(t.TempDir(), "a.so")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(image, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("bad")
	now := time.Unix(1, 0)
	loads, bad := 0, errors.New("bad image")
	c := newCache()
	c.now = func() time.Time { return now }

	for _, step := range []struct {
		name  string
		do    func()
		loads int
	}{
		{"first request", func() {}, 1},
		{"next request", func() {}, 1},
		{"just before the time is over", func() { now = now.Add(retryAfter - 1) }, 1},
		{"time is over", func() { now = now.Add(1) }, 2},
		{"file changed", func() { write("other") }, 3},
		{"file gone", func() { os.Remove(image) }, 4},
		{"still gone", func() {}, 4},
	} {
		step.do()
		if _, err := c.get(keyIn("p", image), func() (executor.Executor, error) { loads++; return nil, bad }); !errors.Is(err, bad) {
			t.Errorf("%s: error %v, want %v", step.name, err, bad)
		}
		if loads != step.loads {
			t.Errorf("%s: %d loads, want %d", step.name, loads, step.loads)
		}
	}
}

func TestCloseEndsAllAndRefuses(t *testing.T) {
	good, bad := &closing{closed: make(chan struct{})}, &closing{closed: make(chan struct{}), err: errors.New("stuck")}
	c := newCache()
	get := func(image string) (executor.Executor, error) {
		return c.get(keyIn("p", image), func() (executor.Executor, error) {
			switch image {
			case "good.so":
				return good, nil
			case "bad.so":
				return bad, nil
			}
			return nil, errors.New("no such image")
		})
	}
	for _, image := range []string{"good.so", "bad.so", "missing.so"} {
		get(image)
	}
	err := c.close(t.Context())
	if !errors.Is(err, bad.err) {
		t.Errorf("close: %v, want what bad.so said", err)
	}
	<-good.closed
	<-bad.closed
	if _, err := get("good.so"); !errors.Is(err, executor.ErrClosed) {
		t.Errorf("get after close: %v, want ErrClosed", err)
	}
}
