package swap

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/update"
)

// order is what somebody asks an image to do.
type order struct {
	who   string
	file  string      // to deploy: a copy nobody changes; "": to roll back
	to    Which       // of a rollback
	wait  bool        // until the watch window has ended
	reply chan result // has room for one

	mu   sync.Mutex
	step func(Step) // nil when nobody listens any more; guarded by mu
}

type result struct {
	receipt Receipt
	err     error
}

const (
	watchEvery = 100 * time.Millisecond // between two looks at a version that is on trial
	postponed  = 10 * time.Second       // before a candidate is tried again that could not be for want of room or descriptors
	changing   = 100 * time.Millisecond // likewise, of one that was changed while it was tried
)

// run is the loop of an image: it looks at the files when they may have changed, obeys orders, and watches a version that has
// just been committed.
func (i *Image) run() {
	defer close(i.done)
	defer i.ending.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		again := i.turn()
		timer.Reset(again)
		select {
		case <-i.ctx.Done():
			i.passed("the server ends, or nobody uses the image any more")
			return
		case o := <-i.orders:
			i.obey(o)
		case <-i.nudged:
		case <-timer.C:
		}
	}
}

// long is the time until a turn that nothing gives rise to: the watcher has its own.
const long = time.Hour

// turn does what is to be done now and says when to look again.
func (i *Image) turn() (again time.Duration) {
	again = long
	if i.trial != nil && i.wanted.Load() {
		i.passed("another image of the pool is to be replaced")
	}
	if i.trial != nil {
		again = i.watch()
	}
	if i.loader.Load() || !i.policy().Watch {
		return again
	}
	if wait := time.Until(i.notBefore); wait > 0 {
		return min(again, wait)
	}
	i.mu.Lock()
	files := i.files
	i.mu.Unlock()
	switch sight := files.Look(); {
	case sight.Err != nil:
		i.troubled("the files cannot be looked at", sight.Err)
	case sight.Candidate != nil:
		i.attempt(files, *sight.Candidate, nil)
		return min(again, time.Millisecond) // there may be more
	case sight.Why != "":
		i.say(sight.Why)
		again = min(again, sight.Again)
	}
	return again
}

// say is the step that the status shows.
func (i *Image) say(what string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.doing = what
}

// attempt takes a candidate through a swap.
func (i *Image) attempt(files *update.Files, c update.Candidate, o *order) {
	s := newSwap(i, files, c, o)
	if s.run() {
		i.trial = s
	}
}

// watch looks at the version on trial.
func (i *Image) watch() (again time.Duration) {
	s := i.trial
	left := time.Until(s.until)
	if reason := s.worse(); reason != "" {
		i.trial = nil
		s.takeBack("watch window", reason)
		return long
	}
	if left <= 0 {
		i.passed("")
		return long
	}
	return min(left, watchEvery)
}

// passed ends the trial of the version that serves, well.
func (i *Image) passed(early string) {
	if s := i.trial; s != nil {
		i.trial = nil
		s.pass(early)
	}
}

// Deploy has the image replaced by the bytes of file, a copy that nobody changes until Deploy returns. It returns when the new version
// serves or was rejected; with wait also when it has come through its watch window and the old one has ended, or was taken back. Steps
// are told one at a time. The end of ctx ends only the waiting. Orders follow one another. An error means that no swap began, or that
// nobody waited for its end.
func (i *Image) Deploy(ctx context.Context, file, who string, wait bool, step func(Step)) (Receipt, error) {
	return i.order(ctx, &order{who: who, file: file, wait: wait, step: step})
}

// Rollback goes back to an earlier version. One on trial is taken back at once when the one before is meant, for that is still
// loaded; else it is [Image.Deploy] of a backup. It fails with [ErrNoVersion].
func (i *Image) Rollback(ctx context.Context, to Which, who string, wait bool, step func(Step)) (Receipt, error) {
	return i.order(ctx, &order{who: who, to: to, wait: wait, step: step})
}

func (i *Image) order(ctx context.Context, o *order) (Receipt, error) {
	if i.loader.Load() {
		return Receipt{}, fmt.Errorf("%s is isapiloader, which does this itself: put the new version beside it as .update", i.path)
	}
	o.reply = make(chan result, 1)
	defer o.deafen()
	select {
	case i.orders <- o:
	case <-ctx.Done():
		return Receipt{}, context.Cause(ctx)
	case <-i.ctx.Done():
		return Receipt{}, ErrClosed
	}
	select {
	case r := <-o.reply:
		return r.receipt, r.err
	case <-ctx.Done():
		return Receipt{}, context.Cause(ctx)
	case <-i.done:
	}
	select {
	case r := <-o.reply:
		return r.receipt, r.err
	default:
		return Receipt{}, ErrClosed
	}
}

// tell tells whoever gave the order of a step. Nobody may have given one.
func (o *order) tell(s Step) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.step != nil {
		o.step(s)
	}
}

// deafen: nobody listens any more.
func (o *order) deafen() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.step = nil
}

// obey carries out an order.
func (i *Image) obey(o *order) {
	i.mu.Lock()
	files := i.files
	i.mu.Unlock()
	if o.file != "" {
		i.attempt(files, update.Candidate{Path: o.file, Kind: update.Given}, o)
		return
	}
	if s := i.trial; s != nil && o.to.means(1, s.old.build.SHA256) {
		i.trial = nil
		s.order.answer(s.receipt, nil)
		s.order = o
		s.takeBack(o.who, "asked by the operator")
		return
	}
	b, err := backup(files, o.to)
	if err != nil {
		o.answer(Receipt{}, err)
		return
	}
	i.attempt(files, update.Candidate{Path: b.Path, Kind: update.Given, SHA256: b.SHA256, Size: b.Size}, o)
}

// answer ends the wait of whoever gave an order. Only the first counts; nobody may have given one.
func (o *order) answer(r Receipt, err error) {
	if o == nil {
		return
	}
	select {
	case o.reply <- result{r, err}:
	default:
	}
}
