package taps

import (
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/trace"
)

// Said is a text that came out of a call.
type Said struct{ Name, Text string }

// Enter begins to record the call of an export outside of requests and connections; nil: nobody wants to see it. What it answers is for [Leave].
func Enter(tap *trace.Tap, image *trace.Image, f trace.Func) *trace.Entry {
	if !tap.On() {
		return nil
	}
	rec := tap.Begin(&trace.About{Image: image.Path})
	c := rec.Call(image, f, 0)
	if c == nil {
		rec.End()
	}
	return c
}

// Leave records that it has returned.
func Leave(c *trace.Entry, ok bool, errno isapi.Error, err error, texts ...Said) {
	if c == nil {
		return
	}
	c.Back(Bool(ok), uint32(errno))
	c.Fault(err)
	for _, t := range texts {
		c.Text(t.Name, t.Text)
	}
	c.EndAll()
}

// Bool is what a call that answers BOOL has answered.
func Bool(ok bool) int64 {
	if ok {
		return 1
	}
	return 0
}
