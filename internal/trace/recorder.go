package trace

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// MostText is the most of a text that an event has, in bytes.
const MostText = 256

const (
	batchSize  = 32 << 10 // bytes after which a batch is sent
	batchKept  = 64 << 10 // bytes; memory for a larger one is not used again
	textKept   = 8 << 10  // likewise for the texts of a call
	mostArgs   = 24       // of a call
	mostNested = 64       // calls that run at a time, beyond which they are told when they have returned
)

// Recorder takes down the calls of one request for those who listen. All methods may be called on nil, from any thread, and after End,
// when they do nothing.
type Recorder struct {
	tap        *Tap
	next, prev *Recorder // in tap.live, guarded by its mu

	request uint64
	to      Sink
	base    time.Time
	unix    int64 // of base
	body    int   // bytes of a body that somebody wants
	one     [1]part
	parts   []part      // what is not c is guarded by mu
	done    atomic.Bool // it has ended, or everybody has left

	mu    sync.Mutex // guards all below
	ended bool
	seq   uint64
	span  uint32
	open  []*Entry // entered and not returned, in the order in which they were entered
	few   [4]*Entry
}

// part is what is recorded for one who listens.
type part struct {
	c      *compiled
	gone   bool // who wanted it
	buf    []byte
	box    *[]byte // where buf came from
	events int
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// End sends what there is and ends the recording.
func (r *Recorder) End() {
	if r == nil {
		return
	}
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		return
	}
	for i := range r.parts {
		p := &r.parts[i]
		r.send(p)
		p.free()
	}
	r.ended = true
	r.done.Store(true)
	r.mu.Unlock()
	r.tap.dismiss(r)
}

// Flush sends what there is, and says which calls have not returned yet.
func (r *Recorder) Flush() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.open {
		r.enter(c)
	}
	for i := range r.parts {
		r.send(&r.parts[i])
	}
}

// keep forgets those who are not among subs.
func (r *Recorder) keep(subs []*compiled) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := 0
	for i := range r.parts {
		p := &r.parts[i]
		if !p.gone && slices.ContainsFunc(subs, func(c *compiled) bool { return c.id == p.c.id }) {
			left++
			continue
		}
		p.gone = true
		p.free()
	}
	if left == 0 {
		r.done.Store(true)
	}
}

// send gives away what was recorded. r.mu is held.
func (r *Recorder) send(p *part) {
	if p.events > 0 {
		r.to.Batch(p.c.id, p.buf, p.events, 0)
		p.buf, p.events = p.buf[:0], 0
	}
}

func (p *part) free() {
	if p.buf != nil && cap(p.buf) <= batchKept {
		*p.box = p.buf[:0]
		buffers.Put(p.box)
	}
	p.buf, p.box, p.events = nil, nil, 0
}

// Entry is one call of a function as it is taken down, from before its arguments are looked at until after its results have been. All
// methods may be called on nil, which stands for a call that nobody wants to see. One thread has it at a time.
//
//	c := r.Call(image, trace.WriteClient, 0)
//	c.Num("size", 12)               // what goes in
//	c.Go()
//	ok, err := …
//	c.Back(ok, err)
//	c.Num("size", 12)               // what comes out
//	c.End()
type Entry struct {
	entry
	args  [mostArgs]arg
	texts []byte
	body  []byte
}

// entry is what is not used again.
type entry struct {
	r      *Recorder
	image  *Image
	f      Func
	code   uint32
	thread int32

	at, took     int64 // since the recorder's base
	span, parent uint32
	running      bool // it has not returned, and is in r.open. Guarded by r.mu
	entered      bool // that was said. Guarded by r.mu while it runs
	out          bool
	result       int64
	err          uint32

	n     int   // arguments there are
	ins   int   // of them, what Enter has told
	size  int64 // of the body
	told  bool  // of the body, with Enter
	fault bool
	raw   bool // of the body: it is the bytes of a connection
}

// arg is an [Arg] whose text lies in texts.
type arg struct {
	name     string
	num      int64
	from, to int32
	flags    byte
	mask     mask
}

const (
	argText = 1 << iota
	argWord
	argHex
	argOut
	argCut
)

var entries = sync.Pool{New: func() any { return &Entry{} }}

// Call begins one. The caller must End it; it is nil if nobody can want it.
func (r *Recorder) Call(i *Image, f Func, code uint32) *Entry {
	if r == nil || r.done.Load() {
		return nil
	}
	for k := range r.parts {
		if r.parts[k].c.call(i, f, code) {
			c := entries.Get().(*Entry)
			c.r, c.image, c.f, c.code, c.thread = r, i, f, code, threadID()
			return c
		}
	}
	return nil
}

// BodyLimit is how many bytes of a body somebody wants to see.
func (c *Entry) BodyLimit() int {
	if c == nil {
		return 0
	}
	return c.r.body
}

// Go is the moment in which the function is called. Those who listen are told that it was entered as soon as something happens inside, or
// when it takes longer; else when it has returned.
func (c *Entry) Go() {
	if c == nil {
		return
	}
	r := c.r
	c.at = int64(time.Since(r.base))
	c.ins = c.n
	r.mu.Lock()
	defer r.mu.Unlock()
	r.span++
	c.span = r.span
	if p := r.around(c); p != nil {
		c.parent = p.span
		r.enter(p)
	}
	if len(r.open) >= mostNested {
		return
	}
	if r.open == nil {
		r.open = r.few[:0]
	}
	r.open = append(r.open, c)
	c.running = true
}

// around is the call that another is inside of: the innermost on its thread. What an image calls on a thread of its own belongs to what it is
// in; a filter, to what is going on; but the server calls an extension on whatever thread, and not inside of anything. r.mu is held.
func (r *Recorder) around(c *Entry) *Entry {
	var far *Entry
	for i := len(r.open) - 1; i >= 0; i-- {
		o := r.open[i]
		if o.thread == c.thread {
			return o
		}
		if far == nil && (c.f == HttpFilterProc || o.f.export()) {
			far = o
		}
	}
	if c.f == HttpExtensionProc || c.f == Completion {
		return nil
	}
	return far
}

// enter says that a call was entered, and those around it, if that was not said. r.mu is held.
func (r *Recorder) enter(c *Entry) {
	if c.entered || !c.running {
		return
	}
	if c.parent != 0 {
		for _, o := range r.open {
			if o.span == c.parent {
				r.enter(o)
			}
		}
	}
	c.entered = true
	r.seq++
	for k := range r.parts {
		if p := &r.parts[k]; !p.c.later() {
			r.put(p, c, Enter, 0, c.ins)
		}
	}
}

// Back is the moment in which the function has returned; arguments that follow come out of it. err is the last error it leaves, 0 for none.
func (c *Entry) Back(result int64, err uint32) {
	if c == nil {
		return
	}
	c.took = int64(time.Since(c.r.base)) - c.at
	c.r.mu.Lock()
	c.running = false // nobody else looks at it any more
	c.r.mu.Unlock()
	c.result, c.err, c.out, c.told = result, err, true, c.entered && c.size > 0
}

// Said is the text of the argument that was told as the i-th, from 0, as far as it was taken.
func (c *Entry) Said(i int) []byte {
	if c == nil || i >= c.n {
		return nil
	}
	return c.texts[c.args[i].from:c.args[i].to]
}

// End records the call.
func (c *Entry) End() {
	if c == nil {
		return
	}
	r := c.r
	r.mu.Lock()
	for i := len(r.open) - 1; i >= 0; i-- {
		if r.open[i] == c {
			r.open = slices.Delete(r.open, i, i+1)
			break
		}
	}
	r.seq++
	for k := range r.parts {
		p := &r.parts[k]
		switch f := &p.c.f; {
		case f.Errors && !failed(c.f, c.result, c.err, c.fault), f.Slower > 0 && time.Duration(c.took) <= f.Slower:
		case c.entered && !p.c.later():
			r.put(p, c, Leave, c.ins, c.n)
		default:
			r.put(p, c, Call, 0, c.n)
		}
	}
	r.mu.Unlock()
	c.free()
}

// EndAll is End for the only call of its recorder, which ends too.
func (c *Entry) EndAll() {
	if c != nil {
		r := c.r
		c.End()
		r.End()
	}
}

// free gives c back.
func (c *Entry) free() {
	if c.texts = c.texts[:0]; cap(c.texts) > textKept {
		c.texts = nil
	}
	if c.body = c.body[:0]; cap(c.body) > MostBody {
		c.body = nil
	}
	c.entry = entry{}
	entries.Put(c)
}
