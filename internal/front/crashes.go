package front

import (
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/inprocess"
	"github.com/isapid/isapid/internal/obituary"
	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/trace"
)

// crashes is where deaths of workers, and faults in this process, are kept on file.
type crashes struct {
	book      *obituary.Book
	directory string // "": nowhere
	keep      int
}

// openCrashes has them kept where a configuration says, from now on.
func (f *Front) openCrashes(cfg *config.Config) {
	next := &crashes{directory: cfg.CrashDirectory(), keep: cfg.Crashes.Keep}
	now := f.crashes.Load()
	if now != nil && now.directory == next.directory && now.keep == next.keep {
		return
	}
	if next.directory != "" || f.buried != nil {
		next.book = obituary.Open(obituary.Settings{Directory: next.directory, Keep: next.keep, Log: f.log, Told: f.buried})
	}
	f.crashes.Store(next)
	if now != nil {
		f.cleaning.Go(now.book.Close) // it writes what waits
	}
}

func (f *Front) closeCrashes() {
	if c := f.crashes.Load(); c != nil {
		c.book.Close()
	}
}

// bury keeps what is known of a death, and returns the ID under which that is kept; "": it is not. It does not block.
func (f *Front) bury(r *obituary.Report) (id string) {
	if c := f.crashes.Load(); c != nil {
		return c.book.Bury(r)
	}
	return ""
}

// amend adds to what is kept of deaths that a version of an image was taken back, which may be why.
func (f *Front) amend(r *swap.Receipt) {
	if c := f.crashes.Load(); c != nil && r.Outcome == swap.TakenBack {
		c.book.Amend(r.Image, "its version was taken back: "+r.Reason)
	}
}

// buryFault keeps what is known of a fault that was contained in this process.
func (f *Front) buryFault(k key, fault error, done string) {
	now := time.Now()
	info := extension.FaultInfo(fault)
	r := &obituary.Report{
		Kind: obituary.Fault, At: now, Pid: os.Getpid(), Pool: k.group.name, Image: k.image, How: fault.Error(), Crash: obituary.CrashOf(info),
		Age: obituary.Seconds(now.Sub(f.started)), Memory: &obituary.Memory{Resident: ownProcess().Resident}, Done: []string{done},
	}
	board, known := inprocess.Board()
	if known {
		r.Threads = obituary.Threads(&board, trace.Clock())
	}
	guilty := faultedOn(&board)
	if info != nil && info.Request != 0 {
		guilty = info.Request
	}
	f.watch.each(func(s *Seen) {
		_, p, _ := s.Trail.Now()
		if p == nil || p.Worker != "" || p.Image != k.image {
			return
		}
		q := obituary.Request{
			ID: trace.FormatID(s.Trail.ID), Method: s.Request.Method, URL: s.Request.RequestURI, Client: s.Request.RemoteAddr, Image: p.Image,
			Age: obituary.Seconds(now.Sub(s.Trail.Began)),
		}
		r.InFlight = append(r.InFlight, q)
		if s.Trail.ID == guilty {
			r.Hand, r.Generation = &q, p.Generation
		}
	})
	slices.SortFunc(r.InFlight, func(a, b obituary.Request) int { return cmp.Compare(b.Age, a.Age) })
	if id := f.bury(r); id != "" {
		f.logger("extension").Warn("fault has an obituary", "image", filepath.Base(k.image), "pool", k.group.name, "obituary", id)
	}
}

// faultedOn is the request of the call that faulted last; 0: that is not known.
func faultedOn(b *trace.Board) (request uint64) {
	last := int64(0)
	for i := range b.Threads {
		for _, c := range b.Threads[i].Last {
			if c.Faulted && c.Request != 0 && c.At >= last {
				request, last = c.Request, c.At
			}
		}
	}
	return request
}

// afterFault says what happens to an image in this process that had a fault.
func afterFault(p executor.FaultPolicy) string {
	if p == executor.FaultRefuse {
		return "further requests to the image are answered 500"
	}
	return "the image goes on in this process"
}

// Crashes implements [admin.Server].
func (c *Control) Crashes() ([]admin.Crash, error) {
	list := []admin.Crash{}
	at := c.front.crashes.Load()
	if at == nil || at.directory == "" {
		return list, nil
	}
	all, err := obituary.List(at.directory)
	for _, s := range slices.Backward(all) {
		list = append(list, admin.Crash{ID: s.ID, At: s.At, Pool: s.Pool, Image: s.Image, Text: s.Text()})
	}
	return list, err
}

// Crash implements [admin.Server].
func (c *Control) Crash(id string) (json.RawMessage, error) {
	at := c.front.crashes.Load()
	if at == nil || at.directory == "" {
		return nil, admin.ErrNoCrash
	}
	r, err := obituary.Read(at.directory, id)
	if missing := (*obituary.NotFoundError)(nil); errors.As(err, &missing) {
		return nil, admin.ErrNoCrash
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(r)
}
