package wire

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

func (m maker) target() executor.Target {
	t := executor.Target{ScriptName: m.text(), PathInfo: m.text(), PathTranslated: m.text(), ScriptTranslated: m.text(), User: m.user()}
	if m.bool() {
		t.App = &executor.App{
			SiteID: m.IntN(1000), SiteName: m.text(), DocumentRoot: m.text(), Path: m.text(), PhysicalPath: m.text(), Pool: m.text(),
		}
	}
	return t
}

func (m maker) user() *executor.User {
	if m.bool() {
		return nil
	}
	return &executor.User{Name: m.text(), Unmapped: m.text(), Password: m.text(), Type: m.text()}
}

// route is one to a target, or to nowhere.
func (m maker) route(t *executor.Target) *executor.Route {
	r := &executor.Route{App: t.App, Image: m.text(), Realm: m.text(), Anonymous: m.bool(), User: m.user(), Denied: m.bool()}
	if m.bool() {
		own := *t
		r.Target = &own
	}
	for range m.IntN(4) {
		r.Maps = append(r.Maps, executor.URLMap{
			What: m.IntN(executor.MapPathInfo + 1), URL: m.text(), ScriptMap: m.text(), Changed: m.bool(),
			Mapping: executor.Mapping{Path: m.text(), Flags: m.Uint32(), MatchedPath: m.IntN(1000), MatchedURL: m.IntN(1000)},
		})
	}
	return r
}

func (m maker) filtered(t *executor.Target) *Filtered {
	if m.bool() {
		return nil
	}
	f := &Filtered{Connection: m.Uint64(), Local: m.bool(), Route: m.route(t)}
	for range m.IntN(5) {
		f.Filters = append(f.Filters, Filter{m.Uint64(), m.bool()})
	}
	return f
}

func (m maker) changes() (c Changes) {
	for range m.IntN(4) {
		c.Paths = append(c.Paths, Path{m.IntN(maxMap + 1), m.text()})
	}
	c.User, c.Denied = m.user(), m.bool()
	return c
}

func (m maker) log() *executor.LogRecord {
	if m.bool() {
		return nil
	}
	return &executor.LogRecord{
		ClientHost: m.text(), ClientUser: m.text(), Server: m.text(), Operation: m.text(), Target: m.text(), Parameters: m.text(),
		Status: m.Uint32(), Win32: m.Uint32(), BytesSent: m.Uint32(), BytesReceived: m.Uint32(), Elapsed: time.Duration(m.size()),
	}
}

func (m maker) routed() *Routed {
	t := m.target()
	r := &Routed{Image: m.Uint64(), Route: m.route(&t)}
	if r.Route.Target == nil {
		r.Route.App = t.App
	}
	return r
}

func (m maker) logon() *Logon { return &Logon{m.request().HTTP, m.text(), m.text()} }

// TestFilteredRoundTrips: what filters ask about a request, and what they are answered.
func TestFilteredRoundTrips(t *testing.T) {
	m := newMaker(t)
	for range 1000 {
		r := m.routed()
		if got, err := DecodeRouted(EncodeRouted(r)); err != nil || !reflect.DeepEqual(got, r) {
			t.Fatalf("route: %v\n got %+v\nwant %+v", err, got, r)
		}
		l := m.logon()
		if got, err := DecodeLogon(EncodeLogon(l)); err != nil || !reflect.DeepEqual(got, l) {
			t.Fatalf("logon: %v\n got %+v\nwant %+v", err, got, l)
		}
		if got, err := DecodeMessage(EncodeMessage(&l.HTTP)); err != nil || !reflect.DeepEqual(got, &l.HTTP) {
			t.Fatalf("request: %v\n got %+v\nwant %+v", err, got, &l.HTTP)
		}
		u := m.user()
		n := m.Uint64()
		if got, err := DecodeEnded(EncodeEnded(n)); err != nil || got != n {
			t.Fatalf("end of a connection: %v, %d, want %d", err, got, n)
		}
		if got, err := DecodeUser(EncodeUser(u)); err != nil || !reflect.DeepEqual(got, u) {
			t.Fatalf("user: %v\n got %+v\nwant %+v", err, got, u)
		}
	}
}

// TestFilteredCut: what ends too early, or has something behind its end, is refused.
func TestFilteredCut(t *testing.T) {
	m := newMaker(t)
	for range 100 {
		for name, c := range map[string]struct {
			whole  []byte
			decode func([]byte) error
		}{
			"route":   {EncodeRouted(m.routed()), func(p []byte) error { _, err := DecodeRouted(p); return err }},
			"logon":   {EncodeLogon(m.logon()), func(p []byte) error { _, err := DecodeLogon(p); return err }},
			"request": {EncodeMessage(&m.request().HTTP), func(p []byte) error { _, err := DecodeMessage(p); return err }},
			"end":     {EncodeEnded(m.Uint64()), func(p []byte) error { _, err := DecodeEnded(p); return err }},
			"user":    {EncodeUser(m.user()), func(p []byte) error { _, err := DecodeUser(p); return err }},
		} {
			if err := c.decode(append(c.whole, 0)); err == nil {
				t.Fatalf("%s with a byte too many is accepted", name)
			}
			n := m.IntN(len(c.whole))
			var p *ProtocolError
			if err := c.decode(c.whole[:n:n]); !errors.As(err, &p) {
				t.Fatalf("the first %d bytes of a %s of %d: %v", n, name, len(c.whole), err)
			}
		}
	}
}

// TestFilteredErrors: values that no sender gives.
func TestFilteredErrors(t *testing.T) {
	changes := func(n int) []byte {
		return (&Request{For: ForAnswer, Changes: Changes{Paths: []Path{{Map: n}}}}).append(nil)
	}
	mapped := func(change func(*executor.URLMap)) []byte {
		m := executor.URLMap{}
		change(&m)
		return EncodeRouted(&Routed{Route: &executor.Route{Maps: []executor.URLMap{m}}})
	}
	logged := func(change func(*executor.LogRecord)) []byte {
		r := Result{}
		r.Log = &executor.LogRecord{}
		change(r.Log)
		return r.append(nil)
	}
	routed := func(p []byte) error { _, err := DecodeRouted(p); return err }
	for name, c := range map[string]struct {
		p    []byte
		into func([]byte) error
	}{
		"map of a change": {changes(maxMap + 1), requestError},
		"negative map":    {changes(-1), requestError},
		"kind of a map":   {mapped(func(m *executor.URLMap) { m.What = executor.MapPathInfo + 1 }), routed},
		"negative length": {mapped(func(m *executor.URLMap) { m.MatchedPath = -1 }), routed},
		"elapsed":         {logged(func(l *executor.LogRecord) { l.Elapsed = -1 }), resultError},
	} {
		var p *ProtocolError
		if err := c.into(c.p); !errors.As(err, &p) {
			t.Errorf("%s: got %v, want a protocol error", name, err)
		}
	}
}

// TestFilteredLengths: a number that announces much makes no room for it.
func TestFilteredLengths(t *testing.T) {
	q := &Request{For: ForAnswer}
	zeros := make([]byte, maxMessage/2)
	for name, c := range map[string]struct {
		p    []byte
		into func([]byte) error
	}{
		"paths, none there": {appendUint(q.append(nil)[:14], math.MaxInt64), requestError},
		"paths, too many":   {append(appendUint(q.append(nil)[:14], maxMessage), zeros...), requestError},
		"paths":             {append(appendUint(q.append(nil)[:14], uint64(len(zeros)/2)), zeros...), requestError},
		"maps":              {append(appendUint(make([]byte, 13), uint64(len(zeros)/mapBytes)), zeros...), func(p []byte) error { _, err := DecodeRouted(p); return err }},
		"maps, too many":    {append(appendUint(make([]byte, 13), math.MaxInt64), zeros...), func(p []byte) error { _, err := DecodeRouted(p); return err }},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = c.into(c.p)
		runtime.ReadMemStats(&after)
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(32<<10+80*len(c.p)); got > limit {
			t.Errorf("%s: %d bytes allocated for a message of %d, want at most %d", name, got, len(c.p), limit)
		}
	}
}

// FuzzRouted: what is accepted as a route is one.
func FuzzRouted(f *testing.F) {
	m := maker{rand.New(rand.NewPCG(1, 1))}
	for range 10 {
		f.Add(EncodeRouted(m.routed()))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if r, err := DecodeRouted(p); err == nil {
			again(t, r, EncodeRouted, DecodeRouted)
		}
	})
}

// FuzzLogon does the same for logons, and for the requests in them.
func FuzzLogon(f *testing.F) {
	m := maker{rand.New(rand.NewPCG(1, 1))}
	for range 10 {
		f.Add(EncodeLogon(m.logon()))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if l, err := DecodeLogon(p); err == nil {
			again(t, l, EncodeLogon, DecodeLogon)
			_, _ = l.HTTP.Request(t.Context(), nil)
		}
		if q, err := DecodeMessage(p); err == nil {
			again(t, q, EncodeMessage, DecodeMessage)
		}
		if u, err := DecodeUser(p); err == nil {
			again(t, u, EncodeUser, DecodeUser)
		}
	})
}
