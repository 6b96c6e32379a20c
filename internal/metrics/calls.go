package metrics

import (
	"strconv"
	"strings"
	"sync"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/trace"
)

// calls counts the calls of images, by what the boards of processes say. Boards are written by processes that foreign code owns: their
// numbers are believed, but names are bounded.
type calls struct {
	names map[trace.FuncCode]string

	mu     sync.Mutex // guards all below
	seen   map[Process]*trace.Board
	calls  counter // pool, function
	errors counter // pool, function, error
}

func (c *calls) init() { c.seen, c.names = map[Process]*trace.Board{}, callNames() }

// told counts what is new on a board.
func (c *calls) told(p Process, b *trace.Board) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.seen[p]
	if last == nil {
		last = &trace.Board{}
	}
	for f, n := range b.Calls {
		if n > last.Calls[f] {
			c.calls.add(float64(n-last.Calls[f]), p.Pool, c.name(f))
		}
	}
	for f, n := range b.Errors {
		if n > last.Errors[f] {
			c.errors.add(float64(n-last.Errors[f]), p.Pool, c.name(f.FuncCode), errorName(f.Err))
		}
	}
	c.seen[p] = &trace.Board{Calls: b.Calls, Errors: b.Errors}
}

// forget what processes said that are not there any more.
func (c *calls) forget(there map[Process]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := range c.seen {
		if !there[p] {
			delete(c.seen, p)
		}
	}
}

// callNames are the names of all calls there are. Those with codes that nobody knows have one name for each function.
func callNames() map[trace.FuncCode]string {
	names := map[trace.FuncCode]string{}
	for f := range trace.Func(trace.MostFuncs) {
		names[trace.FuncCode{Func: f}] = f.String()
	}
	add := func(f trace.Func, code uint32) { names[trace.FuncCode{Func: f, Code: code}] = trace.Name(f, code) }
	for _, c := range isapi.Codes() {
		add(trace.ServerSupportFunction, uint32(c))
	}
	for _, c := range isapi.SFReqs() {
		add(trace.FilterServerSupportFunction, uint32(c))
	}
	for bit := range 32 {
		if n := isapi.Notification(1 << bit); !strings.Contains(n.String(), "0x") {
			add(trace.HttpFilterProc, uint32(n))
		}
	}
	return names
}

func (c *calls) name(f trace.FuncCode) string {
	if n, ok := c.names[f]; ok {
		return n
	}
	if n, ok := c.names[trace.FuncCode{Func: f.Func}]; ok {
		return n
	}
	return other
}

// errorName is a Windows error code; beyond those of the system there is one for all.
func errorName(code uint32) string {
	if code > 15999 {
		return other
	}
	return strconv.Itoa(int(code))
}
