package remote_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/executor/executortest"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/wire"
	"github.com/isapid/isapid/internal/worker"
)

// TestMain makes this program a worker when a test starts it as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		os.Exit(worker.Main())
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // or the race detector has each worker wait for a second at its end
	os.Exit(m.Run())
}

// alone is one image in one worker.
type alone struct {
	*remote.Image
	w *remote.Worker
}

func (a *alone) Execute(w http.ResponseWriter, r *http.Request, t *executor.Target) executor.Result {
	res, err := a.Image.Execute(w, r, t)
	if lost := (*remote.Lost)(nil); errors.As(err, &lost) {
		if res.Fault = err; lost.Began {
			res.Broken = true
			return res
		}
		t.Host.Error(w, r, http.StatusBadGateway, 0)
		res.Status = http.StatusBadGateway
	}
	return res
}

func (a *alone) Close(ctx context.Context) error {
	err := a.Image.Close(ctx)
	if ctx.Err() == nil {
		err = errors.Join(err, a.w.Stop(ctx))
	}
	return err
}

// open starts a worker for one image.
func open(t *testing.T) executortest.Open { return openBy(t, nil) }

// openBy is open with another program for the worker.
func openBy(t *testing.T, program *remote.Program) executortest.Open {
	return func(image string, o executor.Options) (executor.Executor, error) {
		w, err := remote.Start(t.Context(), remote.Settings{Name: "test/1", Log: o.Logger, Program: program})
		if err != nil {
			return nil, err
		}
		i, err := w.Load(t.Context(), image, o)
		if err != nil {
			return nil, errors.Join(err, w.Stop(context.Background()))
		}
		return &alone{i, w}, nil
	}
}

// plain says that the streams of the tests are plain; see TestPlain.
var plain = runtime.GOOS == "windows" || os.Getenv(wire.PlainByEnv) == "1"

func TestConformance(t *testing.T) { executortest.Images{Plain: plain}.Run(t, open(t)) }

// doomed is one whose worker ends in the test, or never would.
type doomed struct{ *alone }

func (d doomed) Close(context.Context) error {
	d.w.Kill("the test is over")
	<-d.w.Gone()
	return nil
}

// A body behind which the worker ended, or which its extension never answered, is no less dangerous.
func TestSmugglingWithoutAnswer(t *testing.T) {
	start := func(image string, o executor.Options) (executor.Executor, error) {
		ex, err := open(t)(image, o)
		if err != nil {
			return nil, err
		}
		return doomed{ex.(*alone)}, nil
	}
	t.Run("lost", func(t *testing.T) { executortest.Smuggle(t, start, "havoc", "kill", executor.Options{}) })
	t.Run("hung", func(t *testing.T) {
		executortest.Smuggle(t, start, "havoc", "never", executor.Options{Limit: 20 * time.Millisecond})
	})
}
