package pool

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// fail ends a worker that failed its ping: it is killed, or kept for a debugger. The lock is held.
func (p *Pool) fail(sl *slot, w *worker, reason string) (line func()) {
	sl.Close()
	p.countCrash(w)
	set := p.state.set
	if !set.Orphan.Enabled {
		return func() {
			p.log.Error("worker has failed: it is killed", "worker", sl.name, "pid", sl.process.Pid(), "reason", reason, "requests", sl.process.Blockers())
			sl.process.Kill(reason)
		}
	}
	w.orphan = true
	crowd := p.crowd(set.Orphan.Max)
	p.wg.Go(func() {
		p.orphan(sl, set, reason)
		for _, old := range crowd {
			p.log.Warn("orphan is killed: there are too many", "worker", old.name, "pid", old.process.Pid(), "kept", set.Orphan.Max)
			old.process.Kill("too many orphans")
		}
	})
	return func() {}
}

// crowd are the oldest orphans above the number that is kept.
func (p *Pool) crowd(limit int) (list []*slot) {
	for i := range p.state.workers {
		if w := &p.state.workers[i]; w.orphan {
			list = append(list, p.slots[w.id])
		}
	}
	return list[:max(0, len(list)-limit)]
}

// orphan keeps a worker that failed: it is stopped where it is, so that a debugger finds it as it failed, the pool lets go of it,
// and the action is run.
func (p *Pool) orphan(sl *slot, set *Settings, reason string) {
	pid := sl.process.Pid()
	p.log.Error("worker has failed: it is kept for a debugger", "worker", sl.name, "pid", pid, "reason", reason, "requests", sl.process.Blockers())
	if err := freeze(sl.process); err != nil {
		p.log.Warn("worker cannot be stopped for a debugger: it may end", "worker", sl.name, "pid", pid, "error", err)
	}
	sl.process.Disown(reason)
	if len(set.Orphan.Action) > 0 {
		p.act(sl, set, pid, reason)
	}
}

// actionLimit is the longest time an action of an orphan may take; what it writes beyond actionOutput bytes is not logged.
const (
	actionLimit  = 5 * time.Minute
	actionOutput = 4 << 10
)

// act runs the action for an orphan.
func (p *Pool) act(sl *slot, set *Settings, pid int, reason string) {
	ctx, cancel := context.WithTimeout(p.ctx, actionLimit)
	defer cancel()
	values := strings.NewReplacer("%pid%", strconv.Itoa(pid), "%reason%", reason, "%pool%", p.name)
	var args []string
	for _, a := range set.Orphan.Action {
		args = append(args, values.Replace(a))
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out[max(0, len(out)-actionOutput):]))
	if err != nil {
		p.log.Error("action for an orphan failed", "worker", sl.name, "pid", pid, "action", args, "error", err, "output", text)
		return
	}
	p.log.Info("action for an orphan ended", "worker", sl.name, "pid", pid, "action", args, "output", text)
}
