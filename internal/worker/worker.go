// Package worker is the worker process: it loads images and runs the requests that the front sends over the wire, through the same
// executor as the front would in-process.
//
// What it does is asked for by the front: load, unload, ping, stop, and requests. When the stream ends, it ends: nobody is
// there to answer.
package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/trace"
	"github.com/isapid/isapid/internal/underwine"
	"github.com/isapid/isapid/internal/wire"
)

// Stream is the descriptor of the private channel to the front, where it is not on the standard input and output: on a Unix system.
const Stream = 3

// gcPercent: the live heap is small, and a collection stops threads that are inside extensions.
const gcPercent = 400

// Exit codes of a worker.
const (
	exitFine     = 0
	exitBroken   = 70 // the front broke the protocol, or there is none
	exitSettings = 71 // what the front asked for in its greeting cannot be had
)

// Main is a worker's life. It returns the exit code of the process, but where the process must end at once: on Windows.
func Main() int {
	code := live()
	leave(code)
	return code
}

func live() (code int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	native.EndAtLibcAbort()
	outliveSignals()
	noDialogs()
	on, err := stream()
	if err != nil {
		fmt.Fprintln(os.Stderr, "a worker is started by isapid serve, not by hand:", err)
		return exitBroken
	}
	w := &worker{images: map[uint64]*loaded{}, sessions: sessions{on: map[uint64]*filter.Connection{}}}
	w.runners = newRunners(w.run)
	w.news.tell = func(topic string, payload []byte) { w.link.Tell(topic, payload) }
	hello, _ := json.Marshal(wire.WorkerHello{
		Version: wire.Version, Software: executor.Software, Pid: os.Getpid(), System: runtime.GOOS, Arch: runtime.GOARCH, Wine: underwine.Version(),
	})
	w.link = wire.NewLink(on, w, false, hello, w.greeted)
	w.sink.link = w.link
	w.log = slog.New(w.logHandler(0, &w.level))
	if err := keepTogether(); err != nil {
		w.log.Warn("programs that images start outlive this worker", "error", err)
	}
	err = w.runLink()
	switch {
	case w.settings != nil:
		fmt.Fprintln(os.Stderr, w.settings)
		return exitSettings
	case errors.Is(err, io.EOF):
		return exitFine
	}
	fmt.Fprintln(os.Stderr, "the stream to the front broke:", err)
	return exitBroken
}

// runLink runs the link until it is over. A read of it that the system cannot end is left to the end of the process.
func (w *worker) runLink() error {
	over := make(chan error, 1)
	go func() { over <- w.link.Run() }()
	select {
	case err := <-over:
		return err
	case <-w.link.Down():
	}
	select {
	case err := <-over:
		return err
	case <-time.After(time.Second):
		return w.link.Err()
	}
}

type worker struct {
	runners  *runners
	link     *wire.Link
	log      *slog.Logger
	level    slog.LevelVar // of log
	sessions sessions
	paths    paths // set by the greeting, before anything else
	settings error // why what the front asked for cannot be had
	tap      trace.Tap
	sink     sink
	news     news

	mu     sync.Mutex // guards images
	images map[uint64]*loaded
}

// loaded is an image, from the moment the front asks for it.
type loaded struct {
	ext   *extension.Extension // nil while it loads
	level slog.LevelVar        // of its log
}

// greeted is what the front says first: what this process is to do to itself before anything foreign runs.
func (w *worker) greeted(payload []byte) error {
	var h wire.FrontHello
	if err := json.Unmarshal(payload, &h); err != nil {
		return &wire.ProtocolError{What: "greeting: " + err.Error()}
	}
	if h.Version != wire.Version {
		return &wire.ProtocolError{What: fmt.Sprintf("the front speaks version %d, this worker %d", h.Version, wire.Version)}
	}
	notes, err := restrict(&h)
	if err != nil {
		w.settings = err
		return err
	}
	for _, n := range notes {
		w.log.Warn("sandbox is not complete", "note", n)
	}
	w.paths.unix = h.Unix
	setEnvironment(h.Environment)
	if h.Board != "" {
		w.useBoard(wire.MapBoardFile(w.paths.own(h.Board)))
	}
	w.link.Tell(wire.NoteReady, nil)
	return nil
}

// Serve implements [wire.Peer].
func (w *worker) Serve(x *wire.Exchange) error {
	w.mu.Lock()
	l := w.images[x.Req.Image]
	var ext *extension.Extension
	if l != nil {
		ext = l.ext
	}
	w.mu.Unlock()
	if ext == nil {
		return &wire.ProtocolError{What: fmt.Sprintf("REQUEST for image %d, which is not loaded", x.Req.Image)}
	}
	w.runners.run(task{ext, x})
	return nil
}

// Control implements [wire.Peer].
func (w *worker) Control(topic string, payload []byte, answer func(bool, []byte)) error {
	var what wire.Image
	if topic == wire.AskTrace {
		return w.trace(payload, answer)
	}
	if topic != wire.AskStop {
		if err := json.Unmarshal(payload, &what); err != nil {
			return &wire.ProtocolError{What: topic + ": " + err.Error()}
		}
	}
	reply := func(text string, err error) {
		if err != nil {
			answer(false, []byte(err.Error()))
			return
		}
		answer(true, []byte(text))
	}
	switch topic {
	case wire.AskLoad:
		go func() { reply(w.load(&what)) }()
	case wire.AskUnload:
		go func() { reply("", w.unload(what.ID)) }()
	case wire.AskPing:
		go func() { reply("", w.ping(what.ID)) }()
	default:
		return &wire.ProtocolError{What: fmt.Sprintf("unknown question %q", topic)}
	}
	return nil
}

// Note implements [wire.Peer].
func (w *worker) Note(topic string, payload []byte) error {
	switch topic {
	case wire.NoteEnded:
		connection, err := wire.DecodeEnded(payload)
		if err == nil {
			w.sessions.ended(connection)
		}
		return err
	case wire.NoteLevel:
		image, level, err := wire.DecodeLevel(payload)
		if err == nil {
			w.setLevel(image, level)
		}
		return err
	}
	return &wire.ProtocolError{What: fmt.Sprintf("unknown note %q", topic)}
}

// setLevel has the log of an image, or of the worker itself, take lines from a level on. An image may be gone by now.
func (w *worker) setLevel(image uint64, level slog.Level) {
	if image == 0 {
		w.level.Set(level)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.images[image]; l != nil {
		l.level.Set(level)
	}
}

func (w *worker) load(what *wire.Image) (description string, err error) {
	w.mu.Lock()
	if w.images[what.ID] != nil {
		w.mu.Unlock()
		return "", fmt.Errorf("image %d is loaded already", what.ID)
	}
	l := &loaded{}
	w.images[what.ID] = l
	w.mu.Unlock()

	o := what.Options.Executor()
	o.Staging, o.Place, o.Version.File = w.paths.own(o.Staging), w.paths.own(o.Place), w.paths.own(o.Version.File)
	l.level.Set(slog.Level(what.Level))
	o.Logger = slog.New(w.logHandler(what.ID, &l.level))
	o.Known, o.ImageID, o.Tap = what.Path, what.ID, &w.tap
	o.Found = func(f executor.Finding) { w.news.found(what.ID, &f) }
	o.Count = func(name string, labels []string, delta float64) { w.news.count(what.ID, name, labels, delta) }
	o.Faulted = func(err error) { w.link.Tell(wire.NoteFaulted, wire.EncodeFault(what.ID, w.faultOf(err))) }
	o.Unhealthy = func(reason string) { w.link.Tell(wire.NoteUnhealthy, wire.EncodeNotice(what.ID, reason)) }
	ext, err := extension.Open(w.paths.own(what.Path), o)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		delete(w.images, what.ID)
		return "", w.paths.told(err, what.Path, what.Options.Staging)
	}
	l.ext = ext
	return ext.Description(), nil
}

// faultOf is a contained fault in parts.
func (w *worker) faultOf(err error) *executor.FaultInfo {
	if f := extension.FaultInfo(err); f != nil {
		for n := range f.Stack {
			f.Stack[n].Image = w.paths.shown(f.Stack[n].Image)
		}
		return f
	}
	return &executor.FaultInfo{Text: err.Error()}
}

func (w *worker) find(id uint64) (*extension.Extension, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.images[id]; l != nil && l.ext != nil {
		return l.ext, nil
	}
	return nil, fmt.Errorf("image %d is not loaded", id)
}

// unload waits for the requests of an image however long they take: the front knows when it has waited long enough.
func (w *worker) unload(id uint64) error {
	ext, err := w.find(id)
	if err != nil {
		return err
	}
	err = ext.Close(context.Background())
	w.news.flush()
	w.mu.Lock()
	delete(w.images, id)
	w.mu.Unlock()
	return err
}

func (w *worker) ping(id uint64) error {
	ext, err := w.find(id)
	if err != nil {
		return err
	}
	return ext.Ping(context.Background())
}

// logHandler sends the log of an image to the front.
func (w *worker) logHandler(image uint64, level slog.Leveler) slog.Handler {
	return &wire.LogHandler{Image: image, Level: level, Emit: func(r *wire.Record) {
		r.Attrs = w.paths.shownAttrs(r.Attrs)
		w.link.Tell(wire.NoteLog, r.Append(nil))
	}}
}
