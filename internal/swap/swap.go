package swap

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/image"
	"github.com/isapid/isapid/internal/update"
)

// swap is one candidate on its way. The loop of its image takes it along; only settle runs beside that.
type swap struct {
	*Image
	files     *update.Files
	candidate update.Candidate
	policy    Policy
	order     *order // nil: the files gave rise to it

	old, new *approved
	changes  changes
	until    time.Time // end of the watch window
	receipt  Receipt
}

// change is the replacement in one executor.
type change struct {
	target *target
	executor.Replacement
}

type changes []change

// in says whether the executor of a target is among them; two targets may have one.
func (list changes) in(t *target) bool {
	return slices.ContainsFunc(list, func(c change) bool { return c.target.exec == t.exec })
}

func newSwap(i *Image, files *update.Files, c update.Candidate, o *order) *swap {
	s := &swap{Image: i, files: files, candidate: c, order: o, policy: i.policy()}
	now := time.Now()
	s.receipt = Receipt{ID: now.UTC().Format("20060102T150405.000000000Z"), Image: i.path, Mode: "overlap", Outcome: Running, Began: now}
	if s.policy.Hold {
		s.receipt.Mode = "hold"
	}
	switch {
	case o != nil:
		s.receipt.Who = o.who
	case c.Kind == update.Overwritten:
		s.receipt.Who = filepath.Base(c.Path) + " was overwritten"
	default:
		s.receipt.Who = filepath.Base(c.Path)
	}
	i.mu.Lock()
	s.old = i.force
	s.receipt.From = s.old.build
	i.mu.Unlock()
	s.describeOld()
	return s
}

// describeOld notes what the version in force says of itself. Before it is loaded nobody knows that, and a swap may begin while it is.
func (s *swap) describeOld() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.targets) > 0 {
		s.receipt.From.Description = cmp.Or(s.targets[0].exec.Description(), s.receipt.From.Description)
	}
}

// run takes the candidate to its commit, or rejects it. It says whether the version that serves now is on trial.
func (s *swap) run() (onTrial bool) {
	defer s.say("")
	err := s.prepare()
	if err == nil {
		err = s.commit()
	}
	switch {
	case err == nil:
	case s.candidate.Path == "": // it is put aside already
		s.reject(err)
		return false
	case s.ctx.Err() != nil, errors.Is(err, update.ErrGone), errors.Is(err, ErrBusy): // it is still there at the next start, or another is
		s.giveUp(err)
		return false
	case lacksRoom(err), errors.Is(err, executor.ErrStopped), errors.Is(err, executor.ErrDraining):
		s.postpone(err)
		return false
	default:
		s.reject(err)
		return false
	}
	s.told(s.receipt)
	if s.policy.Window <= 0 {
		s.pass("")
		return false
	}
	s.entry(entryTrial, s.new.build.SHA256) // with what is known now
	s.step("the version before stays ready for %v", s.policy.Window)
	s.until = time.Now().Add(s.policy.Window)
	if s.order != nil && !s.order.wait {
		s.order.answer(s.receipt, nil)
	}
	return true
}

// prepare brings the new version to the point where only the move is left.
func (s *swap) prepare() error {
	if s.candidate.Refuse != "" {
		return errors.New(s.candidate.Refuse)
	}
	s.step("staging %s", s.receipt.Who)
	if err := s.stage(); err != nil {
		return err
	}
	s.passed("another version came") // executors have room for two
	s.step("waiting for other images of the pool")
	if err := s.turns.take(s.ctx, s.Image, s.turnsOf(s.missing())); err != nil {
		return err
	}
	s.step("loading version %s", short(s.new.build.SHA256))
	if err := s.replaceAll(); err != nil {
		return err
	}
	s.receipt.Ready = new(time.Now())
	s.describeOld()
	s.step("version %s is loaded: %q", short(s.new.build.SHA256), s.receipt.To.Description)
	if err := s.verify(); err != nil {
		return err
	}
	return s.canary()
}

// stage copies the candidate and looks at the copy.
func (s *swap) stage() (err error) {
	if s.new, err = approve(s.candidate.Path); err != nil {
		if errors.Is(err, image.ErrChanged) {
			return fmt.Errorf("%w: %w", update.ErrGone, err)
		}
		return err
	}
	if want := s.candidate.SHA256; want != "" && want != s.new.build.SHA256 {
		return fmt.Errorf("%s: %w", s.candidate.Path, update.ErrGone)
	}
	s.receipt.To = s.new.build
	if s.candidate.Kind == update.Given {
		s.candidate.Path = s.new.version.File // whoever gave it may take it away
	}
	info, err := image.Inspect(s.candidate.Path)
	if err != nil {
		return err
	}
	if s.candidate.Kind == update.Given {
		info.Path = s.path
	}
	if err := s.loadable(info); err != nil {
		return err
	}
	if s.candidate.Kind == update.Overwritten && s.policy.Backups > 0 {
		if err := s.files.Keep(s.old.copy()); err != nil {
			s.troubled("the version in force cannot be kept beside the image", err)
		}
	}
	return nil
}

// loadable says what speaks against loading the candidate in one of the targets.
func (s *swap) loadable(info *image.Info) error {
	s.mu.Lock()
	targets := slices.Clone(s.targets)
	s.mu.Unlock()
	for _, t := range targets {
		check := t.Loadable
		if check == nil {
			check = (*image.Info).LoadableHere
		}
		if err := check(info); err != nil {
			return err
		}
	}
	return nil
}

// replaceAll loads the new version in every executor that does not have it yet, in all at a time. The first failure ends the
// others.
func (s *swap) replaceAll() error {
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	how := executor.Replacing{Hold: s.policy.Hold, Reason: "version " + short(s.new.build.SHA256)}
	missing := s.missing()
	if ok, _ := s.turns.try(s.Image, s.turnsOf(missing)); !ok { // they came meanwhile
		return ErrBusy
	}
	made := make([]executor.Replacement, len(missing))
	var all sync.WaitGroup
	for n, t := range missing {
		all.Go(func() {
			r, err := t.exec.Replace(ctx, s.new.version, how)
			if err != nil && !s.left(t) {
				cancel(err)
			}
			made[n] = r
		})
	}
	all.Wait()
	for n, t := range missing {
		if made[n] != nil {
			s.changes = append(s.changes, change{t, made[n]})
			s.receipt.To.Description = made[n].Description()
		}
	}
	return context.Cause(ctx)
}

func (s *swap) turnsOf(targets []*target) (names []string) {
	for _, t := range targets {
		names = append(names, t.Turn)
	}
	return names
}

// missing are the targets whose executors are not in the swap yet; two targets may have one.
func (s *swap) missing() (list []*target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.targets {
		if !s.changes.in(t) && !slices.ContainsFunc(list, func(o *target) bool { return o.exec == t.exec }) {
			list = append(list, t)
		}
	}
	return list
}

// left says whether a target was closed meanwhile: then its failures are none of the version's.
func (s *swap) left(t *target) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.Contains(s.targets, t)
}

// verify sends the probes.
func (s *swap) verify() error {
	all := 0
	for _, c := range s.changes {
		sent, err := c.target.Probe(s.ctx, c.Replacement)
		if err != nil && !s.left(c.target) {
			return err
		}
		all += sent
	}
	if all > 0 {
		s.receipt.Verified = new(time.Now())
		s.step("%s answered as it should", counted(int64(all), "probe was", "probes were"))
	}
	return nil
}

// canary gives the new version a part of the requests first.
func (s *swap) canary() error {
	if s.policy.Canary <= 0 || s.policy.Hold {
		return nil
	}
	s.step("%.3g %% of the requests go to version %s for %v", 100*s.policy.Canary, short(s.new.build.SHA256), s.policy.CanaryTime)
	for _, c := range s.changes {
		c.Share(s.policy.Canary)
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	end := time.After(s.policy.CanaryTime)
	for {
		select {
		case <-tick.C:
		case <-end:
			return worseError(s.worse())
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
		if err := worseError(s.worse()); err != nil {
			return err
		}
	}
}

func worseError(reason string) error {
	if reason == "" {
		return nil
	}
	return errors.New(reason)
}

// worse says why the new version is to be taken back; "" if it is not. What it has done in a target that was closed meanwhile counts.
func (s *swap) worse() string {
	for _, c := range s.changes {
		p := c.Progress()
		if s.left(c.target) {
			p.Down = ""
		}
		if reason := judge(p, s.policy.Factor); reason != "" {
			return reason
		}
	}
	return ""
}

// step tells whoever looks on.
func (s *swap) step(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.say(text)
	s.log.Debug("swap", "step", text)
	s.order.tell(Step{time.Now(), text})
}

// entry adds the receipt as it stands to the journal. serving is the hash of the run file from now on; "": as before.
func (s *swap) entry(kind, serving string) {
	s.mu.Lock()
	data, err := json.Marshal(s.receipt)
	s.mu.Unlock()
	if err == nil {
		s.journal(s.files, update.Entry{Kind: kind, Serving: serving, Data: data})
	}
}
