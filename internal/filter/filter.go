// Package filter takes a request through the filters in front of an application: their notifications, their callbacks, and what they make
// of the request and of its response (docs/conformance.md has the order of events). It knows neither processes nor sites: in-process
// and in a worker the same lines run. The order in which to read it:
//
//	filter.go, connection.go    a loaded filter; a connection, and what each filter has for it
//	serve.go                    one request, from PREPROC_HEADERS to LOG
//	notify.go, scratch.go       one notification of all filters; the memory it is made in
//	preproc.go, urlmap.go, authentication.go, denied.go, log.go    the single notifications
//	face.go, head.go, own.go    the ResponseWriter around whoever answers; the head it sends; responses of the filters' own
//	raw.go, raw_writer.go       the bytes of a connection, which some filters see before and after all of that
//	callbacks.go, headers.go, support.go    what filters call
//	traced.go, tracedcalls.go   what those see who listen to its calls
//	watch.go, describe.go       what a filter did wrong; what it says of itself, for people
//
// What a filter does wrong costs the request it does it in and is logged with its image; it is never a panic here.
package filter

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/ansi"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/misuse"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/taps"
	"github.com/isapid/isapid/internal/trace"
)

// Config is the filter half of a loaded image.
type Config struct {
	Name                     string  // in logs
	Version, Proc, Terminate uintptr // the exports; Terminate may be 0
	Log                      *slog.Logger
	Faulted                  func(error) // told of each contained fault; must not block. nil: nobody

	// On runs f on a thread of the image's own and returns when it has; where it is on such a thread already, because the
	// image's extension called back, it runs f right there. nil: f runs where it is.
	On func(f func())

	// SameThread: the image is an extension too, and what filters leave in thread-local memory is to be there in
	// HttpExtensionProc.
	SameThread bool

	// LongEnd is how long END_OF_NET_SESSION may take before it is logged: no request waits for it, so nobody else would see it
	// hang. Default 30 s.
	LongEnd time.Duration

	Tap   *trace.Tap   // where its calls can be listened to; nil: nowhere
	Image *trace.Image // what it is called there. Default: one with Name as its path

	Watch *misuse.Watch // of the image; nil: nobody wants to know
}

// Filter is a loaded filter. It is safe for concurrent use.
type Filter struct {
	conf   Config
	desc   string
	events uint32 // SF_NOTIFY_* that are events
	flags  uint32 // see Flags
	secure bool   // called for requests on secure ports
	plain  bool   // and on others
	class  int    // 0 is asked first

	mu       sync.Mutex // guards sessions
	sessions map[*session]struct{}

	told sync.Once // that it does not return from END_OF_NET_SESSION
}

// New asks the image for its version and for what it wants to be told of. An error leaves nothing behind.
func New(c Config) (*Filter, error) {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.LongEnd == 0 {
		c.LongEnd = 30 * time.Second
	}
	if c.Image == nil {
		c.Image = &trace.Image{Path: c.Name}
	}
	f := &Filter{conf: c, sessions: map[*session]struct{}{}}
	var info isapi.FilterVersion
	var ok bool
	var errno isapi.Error
	var err error
	f.on(func() {
		seen := taps.Enter(f.conf.Tap, f.conf.Image, trace.GetFilterVersion)
		seen.Go()
		info, ok, errno, err = native.GetFilterVersion(c.Version, c.Image.Number)
		taps.Leave(seen, ok, errno, err, taps.Said{Name: "description", Text: isapi.Cut(info.Desc[:])}, taps.Said{Name: "flags", Text: isapi.Notification(info.Flags).String()})
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("GetFilterVersion: %w", err)
	case !ok && errno != isapi.OK:
		return nil, fmt.Errorf("GetFilterVersion returned FALSE: %w", errno)
	case !ok:
		return nil, errors.New("GetFilterVersion returned FALSE")
	}
	if f.events = info.Flags & isapi.NotifyEvents; f.events == 0 {
		return nil, fmt.Errorf("GetFilterVersion asks for no event: its flags are %s", isapi.Notification(info.Flags))
	}
	desc, _, _ := bytes.Cut(info.Desc[:], []byte{0})
	f.desc = printable(ansi.Decode(string(desc)))
	ports := info.Flags & (isapi.NotifySecurePort | isapi.NotifyNonsecurePort)
	f.secure = ports != isapi.NotifyNonsecurePort // neither bit is both: many set none and want to be called
	f.plain = ports != isapi.NotifySecurePort
	f.class = class(info.Flags)
	f.flags = f.events | []uint32{isapi.NotifyOrderHigh, isapi.NotifyOrderMedium, isapi.NotifyOrderLow}[f.class]
	if f.secure {
		f.flags |= isapi.NotifySecurePort
	}
	if f.plain {
		f.flags |= isapi.NotifyNonsecurePort
	}
	return f, nil
}

// class is the place of a priority: 0 for HIGH, 1 for MEDIUM, 2 for LOW. Without a bit it is LOW, which the SDK calls the default;
// of several bits the highest counts.
func class(flags uint32) int {
	switch {
	case flags&isapi.NotifyOrderHigh != 0:
		return 0
	case flags&isapi.NotifyOrderMedium != 0:
		return 1
	}
	return 2
}

// Description is the text the filter gave in HTTP_FILTER_VERSION.
func (f *Filter) Description() string { return f.desc }

// Flags are the events it wants, with one order bit and the bits of the ports on which it wants them.
func (f *Filter) Flags() uint32 { return f.flags }

// Priority is the place of its priority class: 0 for HIGH, 1 for MEDIUM, 2 for LOW and for none.
func (f *Filter) Priority() int { return f.class }

// Wants tells whether it is to be told of any of these events on such a port.
func (f *Filter) Wants(events uint32, secure bool) bool { return f.wanted(secure)&events != 0 }

// wanted are the events it wants on such a port.
func (f *Filter) wanted(secure bool) uint32 {
	if secure && f.secure || !secure && f.plain {
		return f.events
	}
	return 0
}

// Close tells the filter that the connections it knows have ended, and calls TerminateFilter. No request may run through it any
// more. What TerminateFilter returns means nothing; an error is a fault of it, of which Config.Faulted was told too.
func (f *Filter) Close() error {
	f.mu.Lock()
	sessions := f.sessions
	f.sessions = nil
	f.mu.Unlock()
	for s := range sessions {
		s.end()
		s.c.forget(s)
	}
	if f.conf.Terminate == 0 {
		return nil
	}
	var err error
	f.on(func() {
		seen := taps.Enter(f.conf.Tap, f.conf.Image, trace.TerminateFilter)
		seen.Go()
		var ok bool
		ok, err = native.TerminateFilter(f.conf.Terminate, 0, f.conf.Image.Number)
		taps.Leave(seen, ok, 0, err)
	})
	if err != nil {
		return f.fault("TerminateFilter", err)
	}
	return nil
}

// endless logs that the filter does not return from END_OF_NET_SESSION.
func (f *Filter) endless() {
	f.told.Do(func() {
		f.conf.Log.Warn("a filter does not return from SF_NOTIFY_END_OF_NET_SESSION: a thread and what it has for the connection are lost, and it cannot be unloaded", "filter", f.conf.Name)
	})
}

func (f *Filter) on(run func()) {
	if f.conf.On != nil {
		f.conf.On(run)
		return
	}
	run()
}

// fault logs a fault of the filter, with what else there is to say of it, and tells of it.
func (f *Filter) fault(where string, err error, about ...any) error {
	err = fmt.Errorf("filter %s: %s: %w", f.conf.Name, where, err)
	var crash *native.Fault
	if errors.As(err, &crash) {
		f.conf.Log.Error("fault contained; the image is suspect from now on", append([]any{"error", err, "stack", crash.StackText()}, about...)...)
	} else {
		f.conf.Log.Error("a filter did what it must not", append([]any{"error", err}, about...)...)
	}
	if f.conf.Faulted != nil {
		f.conf.Faulted(err)
	}
	return err
}

// printable replaces control characters, so that text of a filter cannot forge a line of a log.
func printable(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if b[j] < ' ' || b[j] == 0x7f {
					b[j] = ' '
				}
			}
			return string(b)
		}
	}
	return s
}
