package pool

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/isapid/isapid/internal/obituary"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/trace"
)

// bury keeps what is known of a worker that did not end as it should, and returns the ID of that; "" if it is not kept. The lock is held.
func (p *Pool) bury(sl *slot, o *remote.Obituary, reason string, now time.Time, done []string) string {
	buried := p.policy.Load().Buried
	if buried == nil {
		return ""
	}
	r := &obituary.Report{
		Kind: obituary.Death, At: now, Pool: p.name, Worker: sl.name, Pid: o.Pid, Generation: sl.gen,
		How: o.Exit.String(), Reason: reason, Age: obituary.Seconds(o.Age), Served: o.Served, Lost: o.Lost,
		Memory: &obituary.Memory{Resident: int64(o.Memory.Resident), Private: int64(o.Memory.Private), Most: o.Exit.MaxRSS},
		Output: linesOf(o.Output), Log: linesOf(o.Logged), Done: done, Threads: obituary.Threads(o.Board, 0),
	}
	if sl.fault == "" {
		r.Crash = obituary.CrashOf(o.Fault)
	} else {
		r.Done = append(r.Done, "a fault was contained in it before: "+sl.fault)
	}
	for _, i := range o.Images {
		r.Images = append(r.Images, p.loadedImage(i.Path, sl.gen))
	}
	r.InFlight, r.Hung = inside(o.Requests, now), inside(o.Hung, now)
	r.More = max(0, int(o.Lost)-len(r.InFlight))
	r.Hand = inHand(r, o.Requests, o.Board)
	r.Image = blamed(r)
	return buried(r)
}

// buryFault has a fault buried that a worker has contained. It does not wait for that: who is inside is asked now, because it has not been
// answered yet.
func (p *Pool) buryFault(sl *slot, e remote.Event) {
	w := sl.running(p)
	if p.policy.Load().Buried == nil || w == nil {
		return
	}
	requests := w.Requests()
	p.wg.Go(func() { p.faultBuried(sl, w, e, requests) })
}

// faultBuried keeps what is known of a fault that a worker has contained.
func (p *Pool) faultBuried(sl *slot, w process, e remote.Event, requests []remote.Inside) {
	set := p.policy.Load()
	if set.Buried == nil {
		return
	}
	now := time.Now()
	r := &obituary.Report{
		Kind: obituary.Fault, At: now, Pool: p.name, Worker: sl.name, Pid: w.Pid(), Generation: sl.gen, How: e.Reason, Image: e.Image,
		Age: obituary.Seconds(now.Sub(w.Started())), Served: sl.count.Load(), Crash: obituary.CrashOf(e.Fault),
		Done: []string{"the request that had it is answered 500; the worker retires and another takes its place"},
	}
	if set.FaultedServes {
		r.Done[0] = "the request that had it is answered 500; the worker serves on until another takes its place"
	}
	if r.Crash == nil {
		r.Crash = &obituary.Crash{Text: e.Reason}
	}
	if m, err := w.Memory(); err == nil {
		r.Memory = &obituary.Memory{Resident: int64(m.Resident), Private: int64(m.Private)}
	}
	board := (*trace.Board)(nil)
	if b, ok := w.Board(); ok {
		board = &b
	}
	r.Threads, r.InFlight, r.Hand = obituary.Threads(board, 0), inside(requests, now), inHand(r, requests, board)
	p.mu.Lock()
	r.Images = []obituary.Image{p.loadedImage(e.Image, sl.gen)}
	id := set.Buried(r)
	sl.fault = id
	p.mu.Unlock()
	if id != "" {
		p.log.Warn("fault has an obituary", "worker", sl.name, "image", filepath.Base(e.Image), "obituary", id)
	}
}

// running is the process of the slot; nil: there is none yet.
func (sl *slot) running(p *Pool) process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return sl.process
}

// loadedImage is an image in the version that a generation has. The lock is held.
func (p *Pool) loadedImage(path string, gen int) obituary.Image {
	return obituary.Image{Path: path, SHA256: p.state.version(gen, path).SHA256}
}

// inside are requests, the oldest first.
func inside(list []remote.Inside, now time.Time) (made []obituary.Request) {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b remote.Inside) int { return a.Since.Compare(b.Since) })
	for i := range list {
		made = append(made, requestOf(&list[i], now))
	}
	return made
}

func requestOf(in *remote.Inside, now time.Time) obituary.Request {
	q := obituary.Request{Method: in.Method, URL: in.URL, Client: in.Client, Image: in.Image, Age: obituary.Seconds(now.Sub(in.Since))}
	if in.Request != 0 {
		q.ID = obituary.RequestID(in.Request)
	}
	return q
}

// inHand is the request that the thread had in hand which is to blame: the fault says so, or a call on the board that faulted, or there was
// only one. nil: nobody can know.
func inHand(r *obituary.Report, list []remote.Inside, board *trace.Board) *obituary.Request {
	find := func(id uint64) *obituary.Request {
		for i := range list {
			if id != 0 && list[i].Request == id {
				q := requestOf(&list[i], r.At)
				return &q
			}
		}
		return nil
	}
	if r.Crash != nil && r.Crash.Request != 0 {
		return find(r.Crash.Request)
	}
	if len(list) == 1 {
		q := requestOf(&list[0], r.At)
		return &q
	}
	if board != nil {
		for i := range board.Threads {
			for _, c := range slices.Concat(board.Threads[i].Open, board.Threads[i].Last) {
				if q := find(c.Request); c.Faulted && q != nil {
					return q
				}
			}
		}
	}
	return nil
}

// blamed is the path of the image that a worker died of, as far as anybody can know; "" if not.
func blamed(r *obituary.Report) string {
	switch {
	case r.Hand != nil:
		return r.Hand.Image
	case len(r.Images) == 1:
		return r.Images[0].Path
	}
	image := ""
	for i := range r.InFlight {
		if q := &r.InFlight[i]; i > 0 && q.Image != image {
			return ""
		}
		image = r.InFlight[i].Image
	}
	return image
}

// undone says what is done about the death of a worker, after it was decided. The lock is held.
func (p *Pool) undone(sl *slot, crash bool, o *remote.Obituary, next time.Duration) (list []string) {
	s := p.state
	switch sw := s.swap; {
	case sw != nil && s.candidate(sl.gen) && sw.failed != nil:
		list = append(list, fmt.Sprintf("the new version of %s is not taken: the one before serves on", filepath.Base(sw.image)))
	case sw != nil && sw.stage == serving && sl.gen == sw.new:
		list = append(list, fmt.Sprintf("the version of %s is new and on trial: it is taken back if it is worse than the one before", filepath.Base(sw.image)))
	}
	switch {
	case s.want != wantRun:
		list = append(list, "no other worker is started: "+s.reason)
	case crash && s.degraded:
		list = append(list, fmt.Sprintf("the pool is degraded: one worker is tried in %v", max(0, time.Until(s.retryAt)).Round(time.Millisecond)))
	case crash && next > 0:
		list = append(list, fmt.Sprintf("another worker is started in %v", next.Round(time.Millisecond)))
	case crash:
		list = append(list, "another worker is started at once")
	}
	if o.Lost > 0 {
		list = append(list, "requests that were inside and may run twice run again in another worker; the others are answered 502 or cut off")
	}
	return list
}

// linesOf are the lines of a text.
func linesOf(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
