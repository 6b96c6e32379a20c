package pool

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// State is what a pool is doing, in one word.
type State string

// The states. A pool that is degraded may still serve with what is left of it.
const (
	StateEmpty    State = "empty"    // it has no image, so it needs no worker
	StateStarting State = "starting" // no worker is ready yet
	StateRunning  State = "running"
	StateIdle     State = "idle"     // an on-demand pool without requests
	StateDegraded State = "degraded" // its workers died too often; one at a time is tried
	StateStopped  State = "stopped"  // by the operator
	StateDraining State = "draining" // stopped, and workers are not gone yet
)

// Seconds is a duration that is a number of seconds in JSON.
type Seconds time.Duration

// MarshalJSON implements [json.Marshaler].
func (d Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).Seconds()) }

// Status is what the operator sees of a pool.
type Status struct {
	Name       string         `json:"name"`
	State      State          `json:"state"`
	Reason     string         `json:"reason,omitempty"` // of the state
	Generation int            `json:"generation"`
	Because    string         `json:"because"`           // why there is this generation
	Rollout    *Rollout       `json:"rollout,omitempty"` // the generation that is to serve
	Workers    []WorkerStatus `json:"workers"`
	Images     []ImageStatus  `json:"images"`
	Waiting    int            `json:"waiting"` // requests without a worker
	Crashes    int            `json:"crashes"` // in the window that counts
	NextRetry  *time.Time     `json:"next_retry,omitempty"`
	NextStart  *time.Time     `json:"next_start,omitempty"` // not before, because of crashes
	Totals     Totals         `json:"totals"`
	Deaths     []Death        `json:"deaths"` // the last ones, oldest first
}

// Rollout is a generation that is being started, or whose start has failed and will be tried again. One that brings another version
// of an image does not serve all requests before somebody says so, and is not tried again.
type Rollout struct {
	Generation int        `json:"generation,omitempty"`
	Reason     string     `json:"reason,omitempty"`
	Image      string     `json:"image,omitempty"`    // of which it has another version
	Version    string     `json:"version,omitempty"`  // the first digits of its SHA-256
	Stage      string     `json:"stage,omitempty"`    // with another version: waiting, emptying, starting, ready
	Canary     int        `json:"canary,omitempty"`   // per cent of the requests that it gets
	Failures   int        `json:"failures,omitempty"` // in a row
	NextTry    *time.Time `json:"next_try,omitempty"`
}

// Totals are counted since the pool was made.
type Totals struct {
	Starts   int `json:"starts"`   // of workers
	Crashes  int `json:"crashes"`  // also of generations that never served
	Faults   int `json:"faults"`   // contained
	Recycles int `json:"recycles"` // generations that replaced another
}

// WorkerStatus is one worker process.
type WorkerStatus struct {
	Worker     int        `json:"worker"`
	Name       string     `json:"name"`
	Generation int        `json:"generation"`
	Pid        int        `json:"pid,omitempty"`
	Platform   string     `json:"platform,omitempty"` // what it is a program of: "linux/amd64", "windows/386"
	Wine       string     `json:"wine,omitempty"`     // version of the Wine that it runs under; "": it does not
	State      string     `json:"state"`              // starting, ready, warm, retiring, failed, orphan, spare
	Reason     string     `json:"reason,omitempty"`
	Age        Seconds    `json:"age_seconds"`
	Served     int64      `json:"requests"` // it got, those inside included
	InFlight   int64      `json:"in_flight"`
	Resident   int64      `json:"resident_bytes,omitempty"`
	Private    int64      `json:"private_bytes,omitempty"`
	CPU        Seconds    `json:"cpu_seconds,omitempty"` // since its start, all threads
	Threads    int        `json:"threads,omitempty"`
	LastPing   *time.Time `json:"last_ping,omitempty"` // that was answered
	Oldest     string     `json:"oldest_request,omitempty"`
	OldestAge  Seconds    `json:"oldest_request_seconds,omitempty"`
}

// ImageStatus is one image of a pool.
type ImageStatus struct {
	Path        string `json:"path"`
	Description string `json:"description,omitempty"`
	SHA256      string `json:"sha256,omitempty"` // of the version that serves
	Size        int64  `json:"size,omitempty"`   // likewise, in bytes
	BuildID     string `json:"build_id,omitempty"`
	Error       string `json:"error,omitempty"` // of the last load
}

// Death is how a worker ended.
type Death struct {
	Worker     int       `json:"worker"`
	Generation int       `json:"generation"`
	Pid        int       `json:"pid"`
	At         time.Time `json:"at"`
	Age        Seconds   `json:"age_seconds"`
	How        string    `json:"how"` // exit code or signal
	Reason     string    `json:"reason,omitempty"`
	Served     int64     `json:"requests"`
	Lost       int64     `json:"lost_requests"`
	Output     string    `json:"output,omitempty"`   // the last lines it wrote
	Expected   bool      `json:"expected"`           // it was asked to end, and did
	Obituary   string    `json:"obituary,omitempty"` // ID of the file that tells more
}

// FaultReason begins the Reason of the death of a worker that was replaced because an image had crashed in it.
const FaultReason = "fault in "

// Status may be asked at any time, also after Close.
func (p *Pool) Status() Status {
	st, running := p.snapshot()
	now := time.Now()
	for n := range st.Workers {
		w, process := &st.Workers[n], running[n]
		if process == nil {
			continue
		}
		w.Pid, w.Age = process.Pid(), Seconds(now.Sub(process.Started()))
		if m, err := process.Memory(); err == nil {
			w.Resident, w.Private = int64(m.Resident), int64(m.Private)
		}
		w.used(process)
		if url, since, ok := process.Oldest(); ok {
			w.Oldest, w.OldestAge = url, Seconds(now.Sub(since))
		}
	}
	return st
}

// snapshot is the status as far as the pool knows it, and the processes to ask for the rest.
func (p *Pool) snapshot() (st Status, running []process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state
	now := time.Now()
	s.pruneCrashes(now)
	st = Status{
		Name: p.name, Generation: s.gen.number, Because: s.gen.reason, Workers: []WorkerStatus{}, Images: []ImageStatus{},
		Waiting: int(p.waiting.Load()), Crashes: len(s.crashes), Deaths: append([]Death{}, p.deaths...),
		Totals: Totals{Starts: s.totals.starts, Crashes: s.totals.crashes, Faults: s.totals.faults, Recycles: s.totals.recycles},
	}
	st.State, st.Reason = s.now()
	if s.degraded {
		retry := s.retryAt
		st.NextRetry = &retry
	} else if start := s.startAfter; now.Before(start) {
		st.NextStart = &start
	}
	switch {
	case s.swapping():
		st.Rollout = s.swapStatus()
	case s.next != nil:
		st.Rollout = &Rollout{Generation: s.next.number, Reason: s.next.reason, Failures: s.rolls}
	case s.rolls > 0:
		try := s.rollAfter
		st.Rollout = &Rollout{Failures: s.rolls, NextTry: &try}
	}
	for i := range s.images {
		m := &s.images[i]
		is := ImageStatus{Path: m.path, SHA256: m.version.SHA256, Size: m.version.Size, BuildID: m.version.BuildID}
		if m.err != nil {
			is.Error = m.err.Error()
		}
		if x := p.members[m.path]; x != nil {
			is.Description = *x.description.Load()
		}
		st.Images = append(st.Images, is)
	}
	for i := range s.workers {
		st.Workers = append(st.Workers, p.workerStatus(&s.workers[i]))
		running = append(running, p.slots[s.workers[i].id].process)
	}
	return st, running
}

// errNoTrouble stands for what nobody has noted.
var errNoTrouble = errors.New("nothing is known of that")

// Serves is the number of the generation that serves. The error says why requests are refused, as far as that does not depend on the image.
func (p *Pool) Serves() (generation int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state
	switch {
	case s.want == wantStop:
		err = executor.ErrStopped
	case s.want == wantEnd:
		err = executor.ErrClosed
	case s.degraded && s.count(s.gen.number, ready) == 0:
		err = fmt.Errorf("the pool is degraded: its workers died too often: %w", cmp.Or(s.trouble, errNoTrouble))
	}
	return s.gen.number, err
}

func (p *Pool) workerStatus(w *worker) WorkerStatus {
	sl := p.slots[w.id]
	ws := WorkerStatus{
		Worker: w.id, Name: sl.name, Generation: w.gen, State: w.phase.String(), Reason: w.reason,
		Served: sl.count.Load(), InFlight: int64(sl.Inside()),
	}
	switch sw := p.state.swap; {
	case w.orphan:
		ws.State = "orphan"
	case w.phase == warming:
		ws.Reason = "it is to be a spare"
	case w.phase == ready && sw != nil && sw.stage == serving && w.gen == sw.old.number:
		ws.State = "warm"
	}
	if !w.pinged.IsZero() {
		at := w.pinged
		ws.LastPing = &at
	}
	return ws
}

// swapStatus is the rollout of another version; nil once that serves.
func (s *state) swapStatus() *Rollout {
	sw := s.swap
	if sw == nil {
		sw = s.asks[0]
	}
	if sw.stage == serving {
		return nil
	}
	return &Rollout{
		Generation: sw.new, Reason: sw.reason, Image: sw.image, Version: label(sw.to), Stage: sw.stage.String(), Canary: int(math.Ceil(sw.share * 100)),
	}
}

// now is the state of the pool, with the reason.
func (s *state) now() (State, string) {
	serving := s.count(s.gen.number, ready)
	switch {
	case s.want != wantRun && len(s.workers) > 0:
		return StateDraining, s.reason
	case s.want != wantRun:
		return StateStopped, s.reason
	case len(s.images) == 0:
		return StateEmpty, ""
	case s.degraded:
		return StateDegraded, "its workers died too often"
	case s.set.OnDemand && !s.awake:
		return StateIdle, ""
	case serving == 0:
		return StateStarting, ""
	}
	return StateRunning, ""
}
