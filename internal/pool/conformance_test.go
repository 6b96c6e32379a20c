//go:build linux

package pool_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/executor/replacetest"
	"github.com/isapid/isapid/internal/pool"
)

// TestReplaceConformance runs the suite of all that can be replaced, with one worker and with two.
func TestReplaceConformance(t *testing.T) {
	for name, workers := range map[string]int{"one": 1, "two": 2} {
		t.Run(name, func(t *testing.T) {
			leavesNoTrace(t)
			replacetest.Run(t, func(path string, o executor.Options) (executor.Replaceable, error) {
				p := pool.New(pool.Settings{Name: "shop", Workers: workers, Executor: o, Log: o.Logger, Shutdown: 20 * time.Second})
				e, err := p.Open(t.Context(), path, o.Version)
				return &pooled{e, p}, err
			})
		})
	}
}

// pooled is an executor with a pool of its own.
type pooled struct {
	executor.Replaceable
	pool *pool.Pool
}

func (p *pooled) Close(ctx context.Context) error {
	return errors.Join(p.Replaceable.Close(ctx), p.pool.Close(ctx))
}
