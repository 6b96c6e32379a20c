// Package misuse watches what images do and must not. Nothing fails because of it: what is wrong was answered as the ABI says already, and
// who runs the image is told of a [executor.Finding], with the native stack of the code that called wherever there is one.
package misuse

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/trace"
)

// Of says which image is watched, and who is told.
type Of struct {
	Image  string // path in the configuration
	Staged string // path of the file that is loaded, as stacks name it
	Number uint64 // of the image in the process; 0: it has none
	Checks executor.Checks
	Found  func(executor.Finding) // must not block; nil: nobody
}

// Watch watches one image. All methods may be called on nil, which watches nothing, and from any thread.
type Watch struct {
	of     Of
	seen   atomic.Uint32 // requests that might be looked at
	closed bool          // guarded by watched.mu
}

// sampleOf is how many requests there are to each that is looked at closely, if not all are.
const sampleOf = 100

// New begins to watch an image; nil when nobody wants to know. Who has it calls Close when the image is unloaded.
func New(of Of) *Watch {
	if of.Found == nil || of.Checks != executor.ChecksOn && of.Checks != executor.ChecksSampled {
		return nil
	}
	w := &Watch{of: of}
	watched.add(w)
	return w
}

// Close ends it. What threads do that the image has left behind is still told of, as long as not too many others were closed.
func (w *Watch) Close() {
	if w != nil {
		watched.mu.Lock()
		defer watched.mu.Unlock()
		w.closed = true
	}
}

// Closely says whether what costs something is to be looked at in the request that begins.
func (w *Watch) Closely() bool {
	switch {
	case w == nil:
		return false
	case w.of.Checks == executor.ChecksOn:
		return true
	}
	return w.seen.Add(1)%sampleOf == 1
}

// Caller tells of what the code did that has called back, from within that callback.
func (w *Watch) Caller(kind executor.FindingKind, f trace.Func, code uint32, request uint64, text string) {
	if w != nil {
		native.AtCaller(func(stack []native.Frame) { w.tell(kind, trace.Name(f, code), request, text, stack) })
	}
}

// Tell tells of what came to light outside of a callback: there is no stack to show.
func (w *Watch) Tell(kind executor.FindingKind, call string, request uint64, text string) {
	if w != nil {
		w.tell(kind, call, request, text, nil)
	}
}

func (w *Watch) tell(kind executor.FindingKind, call string, request uint64, text string, stack []native.Frame) {
	f := executor.Finding{Kind: kind, Image: w.of.Image, Call: call, Text: text, Request: request, At: time.Now()}
	for _, fr := range stack {
		f.Stack = append(f.Stack, fr.String())
	}
	w.of.Found(f)
}

// Threads tells of the threads that the image has made and that have not ended. It waits for them, for long at most.
func (w *Watch) Threads(long time.Duration) {
	if w == nil {
		return
	}
	for until := time.Now().Add(long); ; time.Sleep(long / 10) {
		left := w.threads()
		if len(left) > 0 && time.Now().Before(until) {
			continue
		}
		for _, t := range left {
			w.tell(executor.LeakedThread, trace.TerminateExtension.String(), 0,
				"a thread that the image made lives on after the image was told to end: its code will be gone", []native.Frame{t.Start})
		}
		return
	}
}

func (w *Watch) threads() (left []native.LibraryThread) {
	for _, t := range native.LibraryThreads() {
		if w.is(t.Image, []native.Frame{t.Start}) {
			left = append(left, t)
		}
	}
	return left
}

// is tells whether it was the image, going by its number or, without, by a stack.
func (w *Watch) is(number uint64, stack []native.Frame) bool {
	if number != 0 {
		return number == w.of.Number
	}
	for _, fr := range stack {
		if fr.Image == w.of.Staged {
			return true
		}
	}
	return false
}

// watched are all images that are watched, and the last that were.
var watched registry

type registry struct {
	mu  sync.Mutex // guards all
	all []*Watch
}

// maxClosed is how many images are remembered that are watched no more.
const maxClosed = 64

func (r *registry) add(w *Watch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	closed, oldest := 0, -1
	for i, old := range r.all {
		if old.closed {
			if closed++; oldest < 0 {
				oldest = i
			}
		}
	}
	if closed > maxClosed {
		r.all = append(r.all[:oldest:oldest], r.all[oldest+1:]...)
	}
	if r.all = append(r.all, w); len(r.all) == 1 {
		native.OnMisuse(handles)
	}
}

// of is the image that did something; nil if that cannot be told. Of several that were loaded from one file the last is meant.
func (r *registry) of(number uint64, stack []native.Frame) *Watch {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.all) - 1; i >= 0; i-- {
		if r.all[i].is(number, stack) {
			return r.all[i]
		}
	}
	return nil
}

// handles tells of callbacks that could not be answered for what they were given.
func handles(m native.Misuse) {
	native.AtCaller(func(stack []native.Frame) {
		w := watched.of(m.Image, stack)
		if w == nil {
			return
		}
		kind, text := executor.WrongSize, "memory that it was given cannot be read, or written to"
		switch {
		case m.Kind == native.NoHandle && m.Func.Filters():
			kind, text = executor.UnknownConnID, "it was given what never was an HTTP_FILTER_CONTEXT"
		case m.Kind == native.NoHandle:
			kind, text = executor.UnknownConnID, "it was given a ConnID that never was one"
		case m.Kind == native.EndedBlock && m.Func.Filters():
			kind, text = executor.UsedAfterEnd, "the connection of that HTTP_FILTER_CONTEXT has ended"
		case m.Kind == native.EndedBlock && m.Func == trace.ServerSupportFunction && isapi.Code(m.Code) == isapi.DoneWithSession:
			kind, text = executor.DoubleCompletion, "the request has ended already"
		case m.Kind == native.EndedBlock:
			kind, text = executor.UsedAfterEnd, "the request of that ConnID has ended"
		}
		w.tell(kind, trace.Name(m.Func, m.Code), m.Request, text, stack)
	})
}
