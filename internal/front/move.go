package front

import (
	"context"
	"math/rand/v2"
	"net/http"

	"github.com/isapid/isapid/internal/executor"
)

var _ executor.Replacement = (*move)(nil)

const wholeShare = 1 << 32

// takes says whether the next request goes to the new version before the commit.
func (m *move) takes() bool {
	share := m.share.Load()
	return share > 0 && rand.Uint64N(wholeShare) < share
}

// Description implements [executor.Replacement].
func (m *move) Description() string { return m.next.Description() }

// Execute implements [executor.Replacement].
func (m *move) Execute(w http.ResponseWriter, r *http.Request, t *executor.Target) executor.Result {
	return m.next.counted(w, r, t)
}

// Share implements [executor.Replacement].
func (m *move) Share(part float64) { m.share.Store(uint64(min(max(part, 0), 1) * wholeShare)) }

// Commit implements [executor.Replacement].
func (m *move) Commit() {
	m.of.now.Store(m.next)
	m.share.Store(0)
}

// Revert implements [executor.Replacement]. The old version is there until Settle.
func (m *move) Revert(context.Context) error {
	if m.of.moving.Load() != m {
		return executor.ErrClosed
	}
	m.share.Store(0)
	m.of.now.Store(m.old)
	m.of.moving.Store(nil)
	m.of.close(m.next)
	return nil
}

// Settle implements [executor.Replacement].
func (m *move) Settle(ctx context.Context) error {
	h := m.of
	if !h.moving.CompareAndSwap(m, nil) {
		return executor.ErrClosed
	}
	h.settled.Add(1)
	defer h.settled.Add(-1)
	return m.old.end(ctx)
}

// Progress implements [executor.Replacement].
func (m *move) Progress() executor.Progress {
	p := executor.Progress{OldGeneration: m.gen[0], NewGeneration: m.gen[1], Old: m.old.counter.Sum(), New: m.next.counter.Sum(), OldInside: m.old.Inside()}
	p.Lost = p.Old.Lost + p.New.Lost
	if _, err := m.next.pool.Serves(); err != nil {
		p.Down = err.Error()
	}
	return p
}
