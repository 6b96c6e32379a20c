//go:build cgo

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/isapid/isapid/internal/update"
)

// maxDraining is how many versions may have given way and still have requests inside. A further update waits.
const maxDraining = 2

// putOff is a candidate that is not to be blamed for what went wrong, and is tried again.
type putOff struct {
	sum   string
	until time.Time
}

// watch is the goroutine: it looks at the files, and unloads what has given way when its last request has ended.
func (l *loader) watch() {
	defer close(l.done)
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-l.quit:
			return
		case <-next.C:
		}
		l.reap()
		if l.down {
			l.revive()
		}
		next.Reset(l.look())
	}
}

// reap unloads what has given way and has nothing inside.
func (l *loader) reap() {
	left := l.draining[:0]
	for _, v := range l.draining {
		if v.inside() == 0 {
			l.unload(v)
		} else {
			left = append(left, v)
		}
	}
	l.draining = left
}

// look takes an update if there is one, and returns after which time to look again.
func (l *loader) look() time.Duration {
	s := l.files.Look()
	if s.Err != nil {
		l.once("the files cannot be looked at", s.Err)
		return l.poll
	}
	if s.Candidate == nil {
		if s.Again > 0 {
			return min(s.Again, l.poll)
		}
		return l.poll
	}
	c := *s.Candidate
	switch {
	case len(l.draining) >= maxDraining:
		l.once("the update waits", fmt.Errorf("%d earlier versions still have requests inside", maxDraining))
	case c.SHA256 != "" && c.SHA256 == l.putOff.sum && time.Now().Before(l.putOff.until):
	default:
		v, err := l.examine(c)
		if err != nil {
			l.again(c, err)
		} else if v != nil {
			l.try(c, v)
		}
	}
	return l.poll
}

// examine makes a private copy of a candidate that may be loaded, as far as the file tells. One that may not is rejected, and v nil. An error
// is not the candidate's fault.
func (l *loader) examine(c update.Candidate) (v *version, err error) {
	switch {
	case c.Refuse != "":
		l.reject(c, c.Refuse)
		return nil, nil
	case l.suspects[c.SHA256]:
		l.reject(c, fmt.Sprintf("the process has died %d times while it loaded this version", maxDeaths))
		return nil, nil
	}
	if v, err = l.stage(c.Path, c.SHA256); err != nil {
		return nil, err
	}
	if err := v.check(c.Path); err != nil {
		l.reject(c, err.Error())
		l.dispose(v)
		return nil, nil
	}
	return v, nil
}

// try loads a version and takes it into force if it is good.
func (l *loader) try(c update.Candidate, v *version) {
	if c.Kind == update.Overwritten {
		if err := l.files.Keep(l.current.copy()); err != nil {
			l.tell("the version in force cannot be kept", "error", err)
		}
	}
	l.note(entry{Kind: "trial", Candidate: v.staged.SHA256})
	if l.hold {
		l.swapHeld(c, v)
	} else {
		l.swap(c, v)
	}
}

// swap has both versions in memory for a while, and no request wait.
func (l *loader) swap(c update.Candidate, v *version) {
	if err := l.load(v); err != nil {
		l.reject(c, err.Error())
		l.dispose(v)
		return
	}
	if err := l.accept(c, v); err != nil {
		l.again(c, err)
		l.unload(v)
		return
	}
	serve(v)
	l.draining = append(l.draining, l.current)
	l.current = v
	l.tell("another version serves", "description", v.describe(), "sha256", v.staged.SHA256)
}

// swapHeld has new requests wait while the version in force finishes, ends, and the other one is loaded.
func (l *loader) swapHeld(c update.Candidate, v *version) {
	old := l.current
	hold()
	if !old.idle(l.wait) {
		n := old.inside()
		serve(old)
		l.reject(c, fmt.Sprintf("%d requests were still inside the version in force after %v, and the two may not run at the same time", n, l.wait))
		l.dispose(v)
		return
	}
	if !old.ended {
		l.finish(old)
	}
	l.down = true
	err := l.load(v)
	if err != nil {
		l.reject(c, err.Error())
		l.dispose(v)
	} else if err = l.accept(c, v); err != nil {
		l.again(c, err)
		l.unload(v)
	}
	if err != nil {
		l.revive()
		return
	}
	l.current, l.down = v, false
	serve(v)
	l.dispose(old)
	l.tell("another version serves", "description", v.describe(), "sha256", v.staged.SHA256, "waited", waited())
}

// revive loads the version in force again, which had to end.
func (l *loader) revive() {
	old := l.current
	v, err := l.stage(old.staged.Path, old.staged.SHA256)
	if err == nil {
		if err = l.load(v); err != nil {
			l.dispose(v)
		}
	}
	if err != nil {
		serve(nil) // whoever waits is answered 503
		l.once("nothing serves: the version in force cannot be loaded again", err)
		return
	}
	l.current, l.down = v, false
	serve(v)
	l.dispose(old)
	l.tell("the version in force is loaded again", "description", v.describe(), "waited", waited())
}

// ---- versions, with limits ----

// within runs code of an image and tells whether it returned in time. Code that does not cannot be ended: its thread stays.
func (l *loader) within(f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	limit := time.NewTimer(l.wait)
	defer limit.Stop()
	select {
	case <-done:
		return true
	case <-limit.C:
		return false
	}
}

func (l *loader) load(v *version) error {
	var err error
	if !l.within(func() { err = v.load() }) {
		v.hangs = true
		return fmt.Errorf("its GetExtensionVersion has not returned within %v", l.wait)
	}
	if err == nil {
		known.note(v)
	}
	return err
}

// unload ends a version and disposes of it.
func (l *loader) unload(v *version) {
	l.finish(v)
	l.dispose(v)
}

// finish ends a version.
func (l *loader) finish(v *version) {
	v.ended = true
	var gone bool
	if !l.within(func() { gone = v.unload() }) {
		v.hangs = true
		l.tell("it stays in memory: its TerminateExtension has not returned", "description", v.describe(), "limit", l.wait)
	} else if !gone {
		l.tell("it stays in memory", "description", v.describe(), "why", v.mayStay())
	}
}

// ---- the protocol ----

// accept makes a candidate, which is loaded, the run file.
func (l *loader) accept(c update.Candidate, v *version) error {
	backup, err := l.files.Accept(c, l.current.copy(), l.backups)
	if err != nil {
		return err
	}
	l.note(entry{Kind: "committed", Candidate: v.staged.SHA256, Description: v.describe(), Backup: backup})
	return nil
}

func (l *loader) reject(c update.Candidate, reason string) {
	failed, err := l.files.Reject(c, l.current.copy(), reason)
	l.tell("this version is refused", "file", c.Path, "why", reason, "failed", failed)
	if err != nil {
		l.tell("a version that is refused could not be put aside", "error", err)
	}
	l.note(entry{Kind: "rejected", Candidate: c.SHA256, Reason: reason})
}

// again puts a candidate off.
func (l *loader) again(c update.Candidate, err error) {
	if !errors.Is(err, update.ErrGone) {
		l.tell("the update is put off", "file", c.Path, "error", err, "for", l.wait)
		l.putOff = putOff{c.SHA256, time.Now().Add(l.wait)}
	}
	l.note(entry{Kind: "put off", Candidate: c.SHA256, Reason: err.Error()})
}

// once tells of a trouble that stays until it is another.
func (l *loader) once(what string, err error) {
	if text := what + err.Error(); text != l.said {
		l.said = text
		l.tell(what, "error", err)
	}
}

// ---- the journal ----

// entry is what the loader writes to the journal.
type entry struct {
	Kind        string `json:"-"` // trial, and how it ended: committed, rejected, put off
	Candidate   string `json:"candidate"`
	Description string `json:"description,omitempty"`
	Backup      string `json:"backup,omitempty"`
	Reason      string `json:"reason,omitempty"`
}

func (l *loader) note(e entry) {
	line := update.Entry{Kind: e.Kind}
	line.Data, _ = json.Marshal(e)
	if e.Kind == "committed" {
		line.Serving = e.Candidate
	}
	if err := l.files.Append(line); err != nil {
		l.once("the journal cannot be written", err)
	}
}

// maxDeaths is how often a process may die in the trial of a version before that is held for the reason. Once or twice may be bad luck.
const maxDeaths = 3

// suspects are the versions whose last so many trials have no end in the journal.
func suspects(files *update.Files) (map[string]bool, error) {
	entries, err := files.Journal()
	deaths, bad := map[string]int{}, map[string]bool{}
	for _, line := range entries {
		var e entry
		if json.Unmarshal(line.Data, &e) != nil {
			continue
		}
		if line.Kind == "trial" {
			deaths[e.Candidate]++
		} else {
			delete(deaths, e.Candidate)
		}
	}
	for sum, n := range deaths {
		bad[sum] = n >= maxDeaths
	}
	return bad, err
}
