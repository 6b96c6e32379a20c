package wire

import (
	"math"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// Filtered says of a request for an image that it goes through filters first, in the same process.
type Filtered struct {
	Filters    []Filter
	Route      *executor.Route // App and Target are those of the request
	Connection uint64          // which one it came on; the worker is told when that ends. 0: one of its own
	Local      bool            // the image of the request is that of Route
}

// Filter is one of a chain, in the order of configuration.
type Filter struct {
	Image  uint64 // as loaded
	Global bool
}

// Routed is the answer to [AskRoute].
type Routed struct {
	Route *executor.Route
	Image uint64 // loaded in that worker: what the route leads to can be run right there. 0: the front is to answer
}

// Changes are what filters have made of a route before it is answered.
type Changes struct {
	Paths  []Path
	User   *executor.User // who asks
	Denied bool
}

// Path is another physical path of a map of a route.
type Path struct {
	Map  int // which one, counted from 0
	Path string
}

// Logon is the question of [AskLogon]: whether somebody may come in. Both texts are "" for a request without credentials.
type Logon struct {
	HTTP           Message // the request: whose user it is, and what he wants
	User, Password string
}

func (f *Filtered) append(b []byte) []byte {
	b = appendBool(b, f != nil)
	if f == nil {
		return b
	}
	b = appendUint(b, uint64(len(f.Filters)))
	for _, one := range f.Filters {
		b = appendUint(b, one.Image)
		b = appendBool(b, one.Global)
	}
	b = appendUint(b, f.Connection)
	b = appendBool(b, f.Local)
	return appendRoute(b, f.Route)
}

// filtered reads what append wrote. The route has the application and the target t.
func (d *decoder) filtered(t *executor.Target) *Filtered {
	if !d.bool() {
		return nil
	}
	f := &Filtered{}
	for range d.count(2) {
		f.Filters = append(f.Filters, Filter{d.uint(), d.bool()})
	}
	f.Connection = d.uint()
	f.Local = d.bool()
	f.Route = d.route(t)
	return f
}

// appendRoute writes a route but for its application and target. Nothing of a nil route is known.
func appendRoute(b []byte, r *executor.Route) []byte {
	if r == nil {
		r = &executor.Route{}
	}
	b = appendBool(b, r.Target != nil)
	b = appendText(b, r.Image)
	b = appendText(b, r.Realm)
	b = appendBool(b, r.Anonymous)
	b = appendUser(b, r.User)
	b = appendBool(b, r.Denied)
	b = appendUint(b, uint64(len(r.Maps)))
	for i := range r.Maps {
		m := &r.Maps[i]
		b = appendUint(b, uint64(m.What))
		b = appendText(b, m.URL)
		b = appendMapping(b, m.Mapping)
		b = appendText(b, m.ScriptMap)
		b = appendBool(b, m.Changed)
	}
	return b
}

// mapBytes is the fewest that a map takes.
const mapBytes = 8

func (d *decoder) route(t *executor.Target) *executor.Route {
	r := &executor.Route{App: t.App}
	if d.bool() {
		own := *t
		r.Target = &own
	}
	r.Image, r.Realm = d.string(), d.string()
	r.Anonymous = d.bool()
	r.User = d.user()
	r.Denied = d.bool()
	for range d.count(mapBytes) {
		m := executor.URLMap{What: int(d.int(executor.MapPathInfo)), URL: d.string(), Mapping: d.mapping()}
		m.ScriptMap, m.Changed = d.string(), d.bool()
		r.Maps = append(r.Maps, m)
	}
	return r
}

// EncodeRouted is the answer to [AskRoute].
func EncodeRouted(r *Routed) []byte {
	t := r.Route.Target
	if t == nil {
		t = &executor.Target{App: r.Route.App}
	}
	return appendRoute(appendTarget(appendUint(nil, r.Image), t), r.Route)
}

// DecodeRouted is its other end.
func DecodeRouted(p []byte) (r *Routed, err error) {
	d := decode(p)
	r = &Routed{Image: d.uint()}
	var t executor.Target
	d.target(&t)
	r.Route = d.route(&t)
	return r, d.end("route")
}

// EncodeMessage is the question of [AskRoute].
func EncodeMessage(m *Message) []byte { return m.append(nil) }

// DecodeMessage is its other end.
func DecodeMessage(p []byte) (*Message, error) {
	d := decode(p)
	m := &Message{}
	m.decode(&d)
	return m, d.end("request")
}

// EncodeLogon is the question of [AskLogon].
func EncodeLogon(l *Logon) []byte {
	return l.HTTP.append(appendText(appendText(nil, l.User), l.Password))
}

// DecodeLogon is its other end.
func DecodeLogon(p []byte) (*Logon, error) {
	d := decode(p)
	l := &Logon{User: d.string(), Password: d.string()}
	l.HTTP.decode(&d)
	return l, d.end("logon")
}

// EncodeUser is the answer to [AskLogon]; nil is nobody in particular.
func EncodeUser(u *executor.User) []byte { return appendUser(nil, u) }

// DecodeUser is its other end.
func DecodeUser(p []byte) (*executor.User, error) {
	d := decode(p)
	u := d.user()
	return u, d.end("user")
}

func appendUser(b []byte, u *executor.User) []byte {
	b = appendBool(b, u != nil)
	if u == nil {
		return b
	}
	for _, s := range [...]string{u.Name, u.Unmapped, u.Password, u.Type} {
		b = appendText(b, s)
	}
	return b
}

func (d *decoder) user() *executor.User {
	if !d.bool() {
		return nil
	}
	return &executor.User{Name: d.string(), Unmapped: d.string(), Password: d.string(), Type: d.string()}
}

func (c *Changes) append(b []byte) []byte {
	b = appendUint(b, uint64(len(c.Paths)))
	for _, p := range c.Paths {
		b = appendUint(b, uint64(p.Map))
		b = appendText(b, p.Path)
	}
	return appendBool(appendUser(b, c.User), c.Denied)
}

// maxMap is the highest number of a map in a route.
const maxMap = 63

func (d *decoder) changes() (c Changes) {
	for range d.count(2) {
		c.Paths = append(c.Paths, Path{int(d.int(maxMap)), d.string()})
	}
	c.User = d.user()
	c.Denied = d.bool()
	return c
}

func appendLog(b []byte, l *executor.LogRecord) []byte {
	b = appendBool(b, l != nil)
	if l == nil {
		return b
	}
	for _, s := range [...]string{l.ClientHost, l.ClientUser, l.Server, l.Operation, l.Target, l.Parameters} {
		b = appendText(b, clip(s))
	}
	for _, n := range [...]uint32{l.Status, l.Win32, l.BytesSent, l.BytesReceived} {
		b = appendUint(b, uint64(n))
	}
	return appendUint(b, uint64(l.Elapsed))
}

func (d *decoder) log() *executor.LogRecord {
	if !d.bool() {
		return nil
	}
	l := &executor.LogRecord{}
	for _, s := range [...]*string{&l.ClientHost, &l.ClientUser, &l.Server, &l.Operation, &l.Target, &l.Parameters} {
		*s = d.string()
	}
	for _, n := range [...]*uint32{&l.Status, &l.Win32, &l.BytesSent, &l.BytesReceived} {
		*n = uint32(d.int(math.MaxUint32))
	}
	l.Elapsed = time.Duration(d.int(1 << 62))
	return l
}
