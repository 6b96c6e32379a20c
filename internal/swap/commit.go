package swap

import (
	"errors"
	"time"

	"github.com/isapid/isapid/internal/update"
)

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
