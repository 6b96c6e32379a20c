package swap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
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
	if len(i.targets) > 0 {
		s.receipt.From.Description = i.targets[0].exec.Description()
	}
	i.mu.Unlock()
	return s
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
	if err := info.LoadableHere(); err != nil {
		return err
	}
	if s.candidate.Kind == update.Overwritten && s.policy.Backups > 0 {
		if err := s.files.Keep(s.old.copy()); err != nil {
			s.troubled("the version in force cannot be kept beside the image", err)
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

// commit changes the files, then the routes. What can fail comes first.
func (s *swap) commit() error {
	if err := s.replaceAll(); err != nil { // who came since
		return err
	}
	if reason := s.worse(); reason != "" {
		return errors.New(reason)
	}
	s.step("changing the files")
	s.entry(entryTrial, s.new.build.SHA256)
	backup, err := s.files.Accept(s.candidate, s.old.copy(), s.policy.Backups)
	switch {
	case err == nil:
		s.receipt.Backup = backup
		s.troubled("", nil)
	case s.candidate.Kind == update.Overwritten && !errors.Is(err, update.ErrGone):
		s.troubled("the version before cannot be kept beside the image", err) // what its owner put there is there
	default:
		s.entry(entryRejected, s.old.build.SHA256)
		return err
	}
	for !s.move() {
		if err := s.replaceAll(); err != nil {
			return s.moveBack(err)
		}
	}
	return nil
}

// moveBack undoes the change of the files when the version failed in an executor that came in the last moment.
func (s *swap) moveBack(why error) error {
	_, err := s.files.TakeBack(s.old.copy(), why.Error())
	s.entry(entryTakenBack, s.old.build.SHA256)
	s.candidate.Path = "" // it is aside already
	return errors.Join(why, err)
}

// move routes all requests to the new version, unless an executor came meanwhile that does not have it yet.
func (s *swap) move() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.targets {
		if !s.changes.in(t) {
			return false
		}
	}
	for _, c := range s.changes {
		s.receipt.InFlight += c.Progress().OldInside
		c.Commit()
	}
	now := time.Now()
	s.force, s.since = s.new, now
	s.receipt.Outcome, s.receipt.Committed = Committed, &now
	s.tell()
	return true
}

// tell has the status show the receipt, with what the replacements know. The lock of the image is held.
func (s *swap) tell() {
	s.sum()
	last := s.receipt
	s.last = &last
}

// sum has the receipt say what the replacements know. The lock of the image is held.
func (s *swap) sum() {
	r := &s.receipt
	r.Generations, r.Held, r.Lost, r.LongestHold = nil, 0, 0, 0
	for _, c := range s.changes {
		p := c.Progress()
		r.Generations = append(r.Generations, Generations{c.target.Pool, p.OldGeneration, p.NewGeneration})
		r.Held += p.Held
		r.LongestHold = max(r.LongestHold, Seconds(p.Longest))
		r.Lost += p.Lost
	}
}

// pass ends the trial: the version before ends in the background.
func (s *swap) pass(early string) {
	if early != "" && s.policy.Window > 0 {
		s.step("the watch window ends early: %s", early)
	}
	s.receipt.Watched = new(time.Now())
	s.entry(entryCommitted, s.new.build.SHA256)
	s.log.Info("image is replaced", "who", s.receipt.Who, "from", short(s.old.build.SHA256), "to", short(s.new.build.SHA256), "in flight", s.receipt.InFlight, "held", s.receipt.Held, "lost", s.receipt.Lost)
	if s.order != nil && !s.order.wait {
		s.order.answer(s.receipt, nil)
	}
	s.ending.Go(s.settle)
	s.over()
}

// over lets other images have the turns of this one.
func (s *swap) over() { s.turns.leave(s.Image) }

// settle ends the version before.
func (s *swap) settle() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), s.policy.Patience+time.Second)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	var all sync.WaitGroup
	errs := make([]error, len(s.changes))
	for n, c := range s.changes {
		all.Go(func() { errs[n] = c.Settle(ctx) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil && s.ctx.Err() == nil {
		s.order.tell(Step{time.Now(), "the version before did not end by itself: " + err.Error()})
		s.log.Warn("version that gave way did not end by itself", "sha256", short(s.old.build.SHA256), "error", err)
	}
	s.finish(s.old)
}

// finish completes the receipt when the version that gave way has ended.
func (s *swap) finish(gone *approved) {
	s.mu.Lock()
	s.receipt.Ended = new(time.Now())
	if s.last == nil || s.last.ID <= s.receipt.ID {
		s.tell()
	} else {
		s.sum()
	}
	s.mu.Unlock()
	s.entry(entryEnded, "")
	s.order.answer(s.receipt, nil)
	if err := gone.release(); err != nil {
		s.log.Warn("copy of an image cannot be removed", "error", err)
	}
}

// takeBack returns to the version before, which is still loaded where it may be.
func (s *swap) takeBack(who, reason string) {
	s.say("taking version " + short(s.new.build.SHA256) + " back")
	s.step("taking version %s back (%s): %s", short(s.new.build.SHA256), who, reason)
	if err := s.revert(); err != nil {
		s.log.Error("version before cannot be brought back", "sha256", short(s.old.build.SHA256), "error", err)
		reason += "; the version before cannot be brought back: " + err.Error()
	}
	s.mu.Lock()
	s.force, s.since = s.old, time.Now()
	s.mu.Unlock()
	s.strays()
	failed, err := s.files.TakeBack(s.old.copy(), reason)
	if err != nil {
		s.troubled("the version before cannot be put back at its place", err)
	}
	s.receipt.Outcome, s.receipt.Reason, s.receipt.Failed, s.receipt.Backup = TakenBack, reason, failed, ""
	s.files.Serving(s.old.build.SHA256)
	s.entry(entryTakenBack, s.old.build.SHA256)
	s.told(s.receipt)
	s.log.Error("version is taken back", "who", who, "reason", reason, "sha256", short(s.new.build.SHA256), "to", short(s.old.build.SHA256), "failed", failed)
	s.say("")
	s.over()
	s.finish(s.new)
}

// strays are executors that were opened while the new version was on trial: they have known no other.
func (s *swap) strays() {
	list := s.missing()
	s.turns.try(s.Image, s.turnsOf(list)) // who is in the way need not be watched any longer
	for _, t := range list {
		r, err := t.exec.Replace(s.ctx, s.old.version, executor.Replacing{Hold: s.policy.Hold, Reason: "version " + short(s.old.build.SHA256)})
		if err != nil {
			if !s.left(t) {
				s.log.Error("version before cannot be brought back", "sha256", short(s.old.build.SHA256), "pool", t.Pool, "error", err)
			}
			continue
		}
		r.Commit()
		s.changes = append(s.changes, change{t, r})
		s.ending.Go(func() { _ = r.Settle(s.ctx) }) // it has ended, or goes on
	}
}

// revert has every executor go back.
func (s *swap) revert() error {
	var errs []error
	for _, c := range s.changes {
		if err := c.Revert(context.WithoutCancel(s.ctx)); err != nil && !s.left(c.target) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// drop gives up the new version before its commit.
func (s *swap) drop() error {
	err := s.revert()
	if s.trial == nil { // else it has the turns
		s.over()
	}
	s.mu.Lock()
	s.sum()
	s.mu.Unlock()
	if s.new != nil {
		err = errors.Join(err, s.new.release())
	}
	return err
}

// reject puts a bad candidate aside.
func (s *swap) reject(why error) {
	s.receipt.Outcome, s.receipt.Reason = Rejected, why.Error()
	if err := s.drop(); err != nil {
		s.receipt.Reason += "; and the version in force is in trouble: " + err.Error()
	}
	if s.candidate.Path != "" {
		failed, err := s.files.Reject(s.candidate, s.old.copy(), why.Error())
		if err != nil {
			s.troubled("a version that was rejected cannot be put aside", err)
		}
		s.receipt.Failed = failed
	}
	s.receipt.Ended = new(time.Now())
	s.entry(entryRejected, "")
	s.told(s.receipt)
	s.step("rejected: %v", why)
	s.log.Error("version is rejected: the one in force serves on", "who", s.receipt.Who, "error", why, "failed", s.receipt.Failed)
	s.mu.Lock()
	last := s.receipt
	s.last = &last
	s.mu.Unlock()
	s.order.answer(s.receipt, nil)
}

// giveUp leaves the candidate where it is.
func (s *swap) giveUp(why error) {
	if err := s.drop(); err != nil {
		s.log.Warn("swap that was given up did not end cleanly", "error", err)
	}
	s.notBefore = time.Now().Add(changing)
	if s.order != nil {
		s.order.answer(Receipt{}, why)
		return
	}
	s.log.Info("swap is given up: the file stays where it is", "who", s.receipt.Who, "reason", why)
}

// postpone leaves the candidate where it is and tries again later: it is not its fault.
func (s *swap) postpone(why error) {
	err := errors.Join(why, s.drop())
	s.troubled("a version cannot be tried, and is again later", err)
	s.notBefore = time.Now().Add(postponed)
	s.order.answer(Receipt{}, why)
}

// lacksRoom says whether an error speaks of the machine, not of the version.
func lacksRoom(err error) bool {
	for _, is := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
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
