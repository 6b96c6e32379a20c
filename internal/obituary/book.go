package obituary

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/files"
)

// Settings say where obituaries go.
type Settings struct {
	Directory string       // made when the first one is written, for its owner only. "": nothing is written
	Keep      int          // so many files are kept, the newest. Default 50
	Log       *slog.Logger // of what cannot be written; default slog.Default()

	// Told gets each report when it has been written, by the goroutine of the book, which waits for it; also without a Directory. It
	// keeps nothing of it. nil: nobody.
	Told func(*Report)
}

// off says that nobody wants reports.
func (s *Settings) off() bool { return s.Directory == "" && s.Told == nil }

const (
	defaultKeep = 50
	queued      = 16               // obituaries that wait to be written; more are counted only
	pace        = time.Second      // between two of them, after the first queued ones: a crash loop must not keep the disk busy
	complain    = time.Minute      // between two lines in the log about what cannot be written
	amendable   = 10 * time.Minute // how long [Book.Amend] finds an obituary
)

// Book writes obituaries. Make it with [Open]; it is safe for concurrent use, and so is a nil one, which writes nothing.
type Book struct {
	set  Settings
	pace time.Duration

	mu        sync.Mutex // guards all below
	waiting   []*Report  // to be written
	unwritten int        // since the last that was taken
	last      string     // ID
	closed    bool

	amends []amend       // what is to be added to what was written; guarded by mu
	kick   chan struct{} // has an element when there is something to do
	end    chan struct{} // closed by Close
	done   chan struct{} // closed when the goroutine has ended

	recent  []*Report // that were written; the goroutine's
	moaned  time.Time // the last line about what cannot be written; likewise
	credits int       // obituaries that may be written without a pause; likewise
	paid    time.Time // when there was one more
}

// amend is a sentence for the obituaries of an image.
type amend struct {
	image, done string
	before      time.Time
}

// Open begins a book and its goroutine. It touches no file. The caller must call Close.
func Open(s Settings) *Book { return open(s, pace) }

func open(s Settings, pace time.Duration) *Book {
	if s.Keep <= 0 {
		s.Keep = defaultKeep
	}
	if s.Log == nil {
		s.Log = slog.Default()
	}
	b := &Book{set: s, pace: pace, credits: queued, paid: time.Now(), kick: make(chan struct{}, 1), end: make(chan struct{}), done: make(chan struct{})}
	go b.run()
	return b
}

// Bury has an obituary written, soon, and returns the ID it has, which is for the line in the log. It does not block. "" means that
// there will be no file: there are too many of them, or no folder. The report belongs to the book from now on.
func (b *Book) Bury(r *Report) (id string) {
	if b == nil || b.set.off() {
		return ""
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.waiting) == queued {
		b.unwritten++
		return ""
	}
	if r.At.IsZero() {
		r.At = time.Now()
	}
	r.Server = executor.Software
	r.name()
	r.Unwritten, b.unwritten = b.unwritten, 0
	r.ID = newID(r, b.last)
	b.last = r.ID
	b.waiting = append(b.waiting, r)
	b.wake()
	if b.set.Directory == "" {
		return ""
	}
	return r.ID
}

// name has the fault lie in the image as people know it, where it lies in the private copy of that.
func (r *Report) name() {
	if c := r.Crash; c != nil && r.Image != "" && filepath.Base(c.Image) == filepath.Base(r.Image) {
		c.Image = r.Image
	}
}

// Amend adds a sentence to what was done about the deaths of an image in the last ten minutes: what comes later than the obituary, as that its
// version was taken back. It does not block.
func (b *Book) Amend(image, done string) {
	if b == nil || b.set.Directory == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed && len(b.amends) < queued {
		b.amends = append(b.amends, amend{image, done, time.Now()})
		b.wake()
	}
}

// Close writes what waits and ends the book. What is buried afterwards is lost.
func (b *Book) Close() {
	if b == nil {
		return
	}
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		close(b.end)
	}
	b.mu.Unlock()
	<-b.done
}

func (b *Book) wake() {
	select {
	case b.kick <- struct{}{}:
	default:
	}
}

// run writes until the book is closed, and then what is left.
func (b *Book) run() {
	defer close(b.done)
	for {
		r, amends, closed := b.next()
		switch {
		case r != nil:
			if !closed {
				b.rest()
			}
			if b.set.Directory != "" {
				b.write(r, true)
				b.remember(r)
			}
			if b.set.Told != nil {
				b.set.Told(r)
			}
			continue
		case len(amends) > 0:
			b.amend(amends)
			continue
		case closed:
			return
		}
		select {
		case <-b.kick:
		case <-b.end:
		}
	}
}

// next is what is to be done.
func (b *Book) next() (r *Report, amends []amend, closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) > 0 {
		r = b.waiting[0]
		b.waiting = b.waiting[1:]
		return r, nil, b.closed
	}
	amends, b.amends = b.amends, nil
	return nil, amends, b.closed
}

// rest waits if obituaries come too quickly.
func (b *Book) rest() {
	if earned := int(time.Since(b.paid) / b.pace); earned > 0 {
		b.credits = min(queued, b.credits+earned)
		b.paid = time.Now()
	}
	if b.credits > 0 {
		b.credits--
		return
	}
	select {
	case <-time.After(b.pace):
		b.paid = time.Now()
	case <-b.end:
	}
}

// remember keeps a report for sentences that come later.
func (b *Book) remember(r *Report) {
	b.recent = append(b.recent, r)
	b.recent = slices.Delete(b.recent, 0, max(0, len(b.recent)-queued))
}

// amend adds sentences to files that are still there.
func (b *Book) amend(list []amend) {
	for _, a := range list {
		for _, r := range b.recent {
			of := r.Image == a.image || r.Image == "" && slices.ContainsFunc(r.Images, func(i Image) bool { return i.Path == a.image })
			if of && a.before.Sub(r.At) < amendable && !slices.Contains(r.Done, a.done) {
				r.Done = append(r.Done, a.done)
				b.write(r, false)
			}
		}
	}
}

// write writes a file, or says at times why it cannot. One that is not new is written only if it is still there.
func (b *Book) write(r *Report, isNew bool) {
	err := b.file(r, isNew)
	if err == nil || time.Since(b.moaned) < complain {
		return
	}
	b.moaned = time.Now()
	b.set.Log.Warn("obituary cannot be written", "id", r.ID, "directory", b.set.Directory, "error", err)
}

func (b *Book) file(r *Report, isNew bool) error {
	name := filepath.Join(b.set.Directory, r.ID+suffix)
	if _, err := os.Lstat(name); !isNew && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	text, err := encode(r)
	if err != nil {
		return err
	}
	if err := files.MkdirAllPrivate(b.set.Directory); err != nil {
		return err
	}
	f, err := os.CreateTemp(b.set.Directory, tempNames) // its own: after a reload the book before may still be writing
	if err != nil {
		return err
	}
	temp := f.Name()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = files.Rename(temp, name)
	}
	if err != nil {
		_ = os.Remove(temp)
		return err
	}
	return b.prune()
}

// prune removes the oldest files above the number that is kept, and what a server has left that was killed while it wrote.
func (b *Book) prune() error {
	list, err := ids(b.set.Directory)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range list[:max(0, len(list)-b.set.Keep)] {
		if err := os.Remove(filepath.Join(b.set.Directory, id+suffix)); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	entries, _ := os.ReadDir(b.set.Directory)
	for _, e := range entries {
		if temp, _ := filepath.Match(tempNames, e.Name()); !temp {
			continue
		}
		if fi, err := e.Info(); err == nil && time.Since(fi.ModTime()) > leftAfter {
			_ = os.Remove(filepath.Join(b.set.Directory, e.Name())) // may fail: the next one tries again
		}
	}
	return errors.Join(errs...)
}

const (
	suffix    = ".json"
	tempNames = ".obituary-*.tmp" // of a file while it is written
	leftAfter = time.Hour         // such a file is one that nobody writes any more
	mostSize  = 1 << 20           // of a file, in bytes
)

// encode is the text of the file. It is made of bounded parts; should it be too large all the same, parts are left out.
func encode(r *Report) ([]byte, error) {
	bound(r)
	drop := []func(){func() { r.InFlight = nil }, func() { r.Threads = nil }, func() { r.Output, r.Log = nil, nil }, func() { r.Crash.clear() }}
	for {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil || len(text) <= mostSize {
			return append(text, '\n'), err
		}
		if len(drop) == 0 {
			return nil, fmt.Errorf("obituary of %d bytes is too large", len(text))
		}
		drop[0]()
		drop = drop[1:]
	}
}

func (c *Crash) clear() {
	if c != nil {
		c.Stack = nil
	}
}

// bound cuts everything in a report to what is sensible. Much of it comes from processes that run somebody else's code.
func bound(r *Report) {
	clip := func(list ...*string) {
		for _, s := range list {
			if len(*s) > mostText {
				*s = strings.ToValidUTF8((*s)[:mostText], "") + " …"
			}
		}
	}
	clip(&r.Pool, &r.Worker, &r.How, &r.Reason, &r.Image)
	request := func(q *Request) { clip(&q.ID, &q.Method, &q.URL, &q.Client, &q.Image) }
	if r.Hand != nil {
		request(r.Hand)
	}
	if n := len(r.InFlight) - mostInFlight; n > 0 {
		r.More += n
		r.InFlight = r.InFlight[:mostInFlight]
	}
	for i := range r.InFlight {
		request(&r.InFlight[i])
	}
	if c := r.Crash; c != nil {
		clip(&c.Signal, &c.Meaning, &c.Call, &c.Text, &c.Image, &c.Symbol)
		c.Stack = c.Stack[:min(len(c.Stack), mostFrames)]
		for i := range c.Stack {
			clip(&c.Stack[i].Image, &c.Stack[i].Symbol, &c.Stack[i].Line)
		}
	}
	r.Threads = r.Threads[:min(len(r.Threads), mostThreads)]
	for i := range r.Threads {
		t := &r.Threads[i]
		t.Open, t.Last = t.Open[max(0, len(t.Open)-mostCalls):], t.Last[max(0, len(t.Last)-mostCalls):]
	}
	r.Images = r.Images[:min(len(r.Images), mostImages)]
	for _, lines := range []*[]string{&r.Output, &r.Log, &r.Done} {
		*lines = (*lines)[max(0, len(*lines)-mostLines):]
		for i := range *lines {
			clip(&(*lines)[i])
		}
	}
}

// newID names an obituary by its time and who died: names sort by time. It comes after the last one.
func newID(r *Report, last string) string {
	who := r.Worker
	switch {
	case who == "" && r.Image != "":
		who = strings.TrimSuffix(filepath.Base(r.Image), filepath.Ext(r.Image))
	case who == "":
		who = string(r.Kind)
	}
	who = strings.Map(func(c rune) rune {
		if strings.ContainsRune(idLetters, c) && c != '.' {
			return c
		}
		return '-'
	}, who)
	at := r.At.UTC()
	if begin := at.Format(idTime); len(last) > len(idTime) && begin <= last[:len(idTime)] {
		if before, err := time.Parse(idTime, last[:len(idTime)]); err == nil {
			at = before.Add(time.Millisecond)
		}
	}
	return at.Format(idTime) + "-" + who[:min(len(who), 60)]
}

// idTime is how an ID begins.
const idTime = "2006-01-02T15-04-05.000"

const idLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
