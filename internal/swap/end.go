package swap

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

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
	s.letGo(gone)
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
