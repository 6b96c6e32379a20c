package front

import (
	"context"
	"math"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/image"
	"github.com/isapid/isapid/internal/swap"
)

// openImage opens an image in the version in force and has the executor take part in its swaps. load loads a version; executors with
// the same turn share processes.
func (f *Front) openImage(k key, turn string, load func(v executor.Version) (executor.Replaceable, error)) (executor.Executor, error) {
	return f.images.Open(k.image, swap.Target{
		Pool:   k.group.name,
		Turn:   turn,
		Policy: func() swap.Policy { return policyOf(f.setup.Load().cfg.Pools[k.group.pool], k.inside.here) },
		Load:   load,
		Loadable: func(i *image.Info) error {
			p := f.setup.Load().cfg.Pools[k.group.pool]
			if k.inside.here || p == nil {
				return i.LoadableHere()
			}
			_, err := f.loadable(p, i)
			return err
		},
		Probe: func(ctx context.Context, r executor.Replacement) (int, error) { return f.probe(ctx, k, r) },
	})
}

// policyOf says in the words of a swap what the configuration says of a pool. One that is not configured any more replaces nothing.
func policyOf(p *config.Pool, here bool) swap.Policy {
	if p == nil {
		return swap.Policy{Factor: math.MaxFloat64, InProcess: here}
	}
	u := p.Update
	return swap.Policy{
		Watch: u.Watch, Hold: u.Mode == config.UpdateHold, Canary: float64(u.Canary) / 100, CanaryTime: u.CanaryTime, Window: u.Window,
		Factor: u.Factor, Backups: u.Backups, Patience: p.ShutdownLimit, InProcess: here,
	}
}
