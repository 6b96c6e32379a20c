package server

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// say is a site that answers with its name.
func say(name string, bindings ...Binding) Site {
	return site(name, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }, bindings...)
}

func prepare(t testing.TB, s *Server, limits Limits, sites ...Site) *Update {
	t.Helper()
	u, err := s.Prepare(sites, limits)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func update(t testing.TB, s *Server, limits Limits, sites ...Site) (done <-chan struct{}) {
	t.Helper()
	done, err := prepare(t, s, limits, sites...).Commit()
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func ended(t testing.TB, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("what was given up does not end")
	}
}

// client is one connection that sends one request after the other.
type client struct {
	t testing.TB
	net.Conn
	*bufio.Reader
}

func newClient(t testing.TB, addr string) *client {
	t.Helper()
	c := dial(t, addr)
	return &client{t, c, bufio.NewReader(c)}
}

func (c *client) get() string {
	c.t.Helper()
	send(c.t, c.Conn, get("/", "h"))
	_, body := answer(c.t, c.Reader)
	return body
}

func (c *client) wantEnd() {
	c.t.Helper()
	if _, err := c.Reader.ReadByte(); err != io.EOF {
		c.t.Errorf("connection: got %v, want its end", err)
	}
}

func refused(t testing.TB, addr string) {
	t.Helper()
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Errorf("%s is listened on", addr)
	}
}

// A connection that stays sees the new sites with its next request; a request that runs ends as it began.
func TestUpdateSites(t *testing.T) {
	g := newGate(t)
	s := start(t, Limits{}, site("old", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gate" {
			g.ServeHTTP(w, r)
			return
		}
		_, _ = io.WriteString(w, "old")
	}))
	addr := s.Addrs()[0].String()
	idle, busy := newClient(t, addr), newClient(t, addr)
	if got := idle.get(); got != "old" {
		t.Errorf("before: got %q", got)
	}
	send(t, busy.Conn, get("/gate", "h"))
	<-g.entered
	done := update(t, s, Limits{}, say("new"))
	if got := s.Addrs()[0].String(); got != addr {
		t.Errorf("address: got %s, want it to stay %s", got, addr)
	}
	if got := idle.get(); got != "new" {
		t.Errorf("kept connection: got %q, want the new site", got)
	}
	if got := newClient(t, addr).get(); got != "new" {
		t.Errorf("new connection: got %q, want the new site", got)
	}
	select {
	case <-done:
		t.Error("the old sites have ended while a request of theirs runs")
	default:
	}
	g.open()
	if _, got := answer(t, busy.Reader); got != "hello" {
		t.Errorf("running request: got %q, want the old site", got)
	}
	ended(t, done)
	if got := busy.get(); got != "new" {
		t.Errorf("its connection: got %q, want the new site", got)
	}
}

func TestUpdateAddresses(t *testing.T) {
	g := newGate(t)
	keep, leave := Binding{Addr: "127.0.0.1:0"}, Binding{Addr: "localhost:0"}
	s := start(t, Limits{}, say("keep", keep), site("leave", g.ServeHTTP, leave))
	left := s.Addrs()[1].String()
	busy, idle := newClient(t, left), newClient(t, left)
	send(t, busy.Conn, get("/", "h"))
	<-g.entered
	// A connection without a request counts as busy for a while, in case one is on its way. Make it idle.
	send(t, idle.Conn, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")
	answer(t, idle.Reader)

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	added := Binding{Addr: free.Addr().String()}
	free.Close()
	_, err = s.Prepare([]Site{say("x", keep, added, Binding{Addr: taken.Addr().String()})}, Limits{})
	contains(t, err, taken.Addr().String(), "in use")
	refused(t, added.Addr)
	_, port, _ := net.SplitHostPort(left)
	_, err = s.Prepare([]Site{say("x", Binding{Addr: ":" + port})}, Limits{})
	contains(t, err, `":`+port+`"`, `this server listens on "localhost:0"`, "restart")
	if got := newClient(t, s.Addrs()[0].String()).get(); got != "keep" || len(s.Addrs()) != 2 {
		t.Errorf("after a failed update: got %q and %v", got, s.Addrs())
	}

	u := prepare(t, s, Limits{}, say("x", added, keep))
	if _, err := s.Prepare([]Site{say("y", keep)}, Limits{}); err == nil {
		t.Error("a second update at a time: got no error")
	}
	early := newClient(t, added.Addr) // waits for Commit
	send(t, early.Conn, get("/", "h"))
	u.Discard()
	if _, err := early.ReadByte(); err == nil {
		t.Error("discarded: got an answer")
	}
	refused(t, added.Addr)

	keptAt := s.Addrs()[0].String()
	u = prepare(t, s, Limits{}, say("x", added, keep))
	early = newClient(t, added.Addr)
	send(t, early.Conn, get("/", "h"))
	done, err := u.Commit()
	if err != nil {
		t.Fatal(err)
	}
	if _, got := answer(t, early.Reader); got != "x" {
		t.Errorf("added address: got %q", got)
	}
	if a := s.Addrs(); len(a) != 2 || a[0].String() != added.Addr || a[1].String() != keptAt {
		t.Errorf("addresses: got %v, want %s and %s", a, added.Addr, keptAt)
	}
	refused(t, left)
	idle.wantEnd()
	g.open()
	if _, got := answer(t, busy.Reader); got != "hello" {
		t.Errorf("running request: got %q", got)
	}
	busy.wantEnd()
	ended(t, done)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.leaving) != 0 {
		t.Errorf("%d services have not left", len(s.leaving))
	}
}

// Limits of connections hold for new ones, those of requests at once, and all get the new sites.
func TestUpdateLimits(t *testing.T) {
	s := start(t, Limits{Header: 1 << 10, URL: 100}, say("a"))
	addr := s.Addrs()[0].String()
	long := "GET / HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 12<<10) + "\r\n\r\n"
	old := newClient(t, addr)
	old.get()
	update(t, s, Limits{Header: 32 << 10, URL: 16}, say("b"))
	made := newClient(t, addr)
	send(t, made.Conn, long)
	if status, got := answer(t, made.Reader); status != 200 || got != "b" {
		t.Errorf("new connection: got %d %q, want the new limit", status, got)
	}
	update(t, s, Limits{Header: 16 << 10, URL: 16}, say("c"))
	for _, c := range []*client{old, made} {
		if got := c.get(); got != "c" {
			t.Errorf("connection of before: got %q, want the new site", got)
		}
		send(t, c.Conn, get("/"+strings.Repeat("x", 50), "h"))
		if status, _ := answer(t, c.Reader); status != 404 {
			t.Errorf("connection of before, long URL: got %d, want 404", status)
		}
	}
	send(t, old.Conn, long)
	if status, _ := answer(t, old.Reader); status != 431 {
		t.Errorf("connection of before, long header: got %d, want 431", status)
	}
	// Services without connections go with the next update.
	old.Close()
	made.Close()
	e := s.endpoints[0]
	for end := time.Now().Add(time.Minute); e.services[0].conns.Load()+e.services[1].conns.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("connections do not end")
		}
	}
	update(t, s, Limits{Header: 16 << 10}, say("d"))
	if n := len(e.services); n != 1 {
		t.Errorf("%d services at the address, want the one that accepts", n)
	}
}

// An address can change between http and https, and its socket stays.
func TestUpdateTLS(t *testing.T) {
	a := newAuthority(t)
	s := start(t, Limits{}, say("plain"))
	addr := s.Addrs()[0].String()
	plain := newClient(t, addr)
	plain.get()
	secure := a.binding("a.test")
	ended(t, update(t, s, Limits{}, say("secure", secure)))
	plain.wantEnd()
	c := a.client(s, true)
	response, body := fetch(t, c, "https://a.test/")
	first := response.TLS.PeerCertificates[0]
	if body != "secure" {
		t.Errorf("https: got %q", body)
	}

	// A certificate is read again also when nothing else differs. Connections of before stay.
	secure.CertFile, secure.KeyFile = a.issue("a.test")
	u := prepare(t, s, Limits{}, say("again", secure))
	if got := u.Renewed(); len(got) != 1 || got[0] != "again" {
		t.Errorf("renewed: got %q", got)
	}
	if _, err := u.Commit(); err != nil {
		t.Fatal(err)
	}
	if response, body = fetch(t, c, "https://a.test/"); body != "again" || !response.TLS.PeerCertificates[0].Equal(first) {
		t.Errorf("kept connection: got %q with certificate %v", body, response.TLS.PeerCertificates[0].SerialNumber)
	}
	if response, _ = fetch(t, a.client(s, true), "https://a.test/"); response.TLS.PeerCertificates[0].Equal(first) {
		t.Error("new connection: got the old certificate")
	}
	if err := os.WriteFile(secure.CertFile, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prepare([]Site{say("broken", secure)}, Limits{}); err == nil {
		t.Error("broken certificate: got no error")
	}
	if _, body = fetch(t, c, "https://a.test/"); body != "again" {
		t.Errorf("after a failed update: got %q", body)
	}
	ended(t, update(t, s, Limits{}, say("plain again")))
	if got := newClient(t, addr).get(); got != "plain again" {
		t.Errorf("http again: got %q", got)
	}
}

// A handshake that has begun when the limits change ends well, and is answered.
func TestUpdateDuringHandshake(t *testing.T) {
	a := newAuthority(t)
	b := a.binding("a.test")
	s := start(t, Limits{}, say("a", b))
	raw := dial(t, s.Addrs()[0].String())
	begun := make(chan struct{})
	half := &pausing{Conn: raw, reached: begun, resume: make(chan struct{})}
	c := tls.Client(half, &tls.Config{RootCAs: a.pool, ServerName: "a.test"})
	shaken := make(chan error, 1)
	go func() { shaken <- c.Handshake() }()
	<-begun
	update(t, s, Limits{IdleTimeout: time.Hour}, say("b", b))
	close(half.resume)
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	send(t, c, get("/", "a.test"))
	if _, body := answer(t, bufio.NewReader(c)); body != "b" {
		t.Errorf("got %q", body)
	}
}

// pausing is a client that waits before its second write, in the middle of its handshake.
type pausing struct {
	net.Conn
	reached, resume chan struct{}
	writes          int
}

func (p *pausing) Write(b []byte) (int, error) {
	if p.writes++; p.writes == 2 {
		close(p.reached)
		<-p.resume
	}
	return p.Conn.Write(b)
}

// Who came in without a certificate does not stay when certificates are asked for.
func TestUpdateClientCertificates(t *testing.T) {
	a := newAuthority(t)
	open := a.binding("a.test")
	s := start(t, Limits{}, say("open", open))
	c := tls.Client(dial(t, s.Addrs()[0].String()), &tls.Config{RootCAs: a.pool, ServerName: "a.test"})
	r := bufio.NewReader(c)
	send(t, c, get("/", "a.test"))
	answer(t, r)
	strict := open
	strict.ClientAuth, strict.CAFile = "require", a.file
	ended(t, update(t, s, Limits{}, say("strict", strict)))
	if _, err := r.ReadByte(); err == nil {
		t.Error("connection without certificate: it stays")
	}
	if _, err := a.client(s, false).Get("https://a.test/"); err == nil {
		t.Error("without certificate: got an answer")
	}
	certFile, keyFile := a.issue("me")
	me, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	kept := a.client(s, false, me)
	for _, name := range []string{"strict", "still"} {
		if _, body := fetch(t, kept, "https://a.test/"); body != name {
			t.Errorf("with certificate: got %q, want %q", body, name)
		}
		update(t, s, Limits{}, say("still", strict))
	}
}

// Clients that keep their connection, and such that make one for each request, notice nothing of many updates.
func TestUpdateUnderLoad(t *testing.T) {
	limits := []Limits{{}, {IdleTimeout: time.Hour}}
	s := start(t, limits[0], say("0"))
	addr := s.Addrs()[0].String()
	var stop atomic.Bool
	var count [4]atomic.Int64
	var clients sync.WaitGroup
	for n := range count {
		clients.Go(func() {
			var c net.Conn
			var r *bufio.Reader
			for !stop.Load() {
				if c == nil {
					made, err := net.Dial("tcp", addr)
					if err != nil {
						t.Error(err)
						return
					}
					c, r = made, bufio.NewReader(made)
				}
				_, err := io.WriteString(c, get("/", "h"))
				var resp *http.Response
				if err == nil {
					resp, err = http.ReadResponse(r, nil)
				}
				if err == nil {
					_, err = io.ReadAll(resp.Body)
				}
				if err != nil || resp.StatusCode != 200 {
					t.Errorf("client %d: %v %v", n, resp, err)
					c.Close()
					return
				}
				count[n].Add(1)
				if n%2 == 1 {
					c.Close()
					c = nil
				}
			}
			if c != nil {
				c.Close()
			}
		})
	}
	var last <-chan struct{}
	for i := range 200 {
		before := count[i%4].Load()
		last = update(t, s, limits[i%2], say(fmt.Sprint(i)))
		for !t.Failed() && count[i%4].Load() < before+2 { // so that each has seen each
			time.Sleep(100 * time.Microsecond)
		}
	}
	stop.Store(true)
	clients.Wait()
	ended(t, last)
	if n := len(s.endpoints[0].services); n > 6 {
		t.Errorf("%d services at the address", n)
	}
}

// What was given up and still runs belongs to Shutdown.
func TestShutdownAfterUpdate(t *testing.T) {
	g := newGate(t)
	s := start(t, Limits{}, site("old", g.ServeHTTP, Binding{Addr: "localhost:0"}))
	busy := newClient(t, s.Addrs()[0].String())
	send(t, busy.Conn, get("/", "h"))
	<-g.entered
	done := update(t, s, Limits{}, say("new"))
	u := prepare(t, s, Limits{}, say("never", Binding{Addr: "localhost:0"}))
	over := make(chan error, 1)
	go func() { over <- s.Shutdown(t.Context()) }()
	<-s.stopping
	if _, err := u.Commit(); !errors.Is(err, ErrClosed) {
		t.Errorf("commit after Shutdown: got %v, want ErrClosed", err)
	}
	select {
	case err := <-over:
		t.Fatalf("Shutdown returned %v while a request runs", err)
	default:
	}
	g.open()
	if _, got := answer(t, busy.Reader); got != "hello" {
		t.Errorf("running request: got %q", got)
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
	<-done
	if _, err := s.Prepare([]Site{say("late")}, Limits{}); err == nil {
		t.Error("update after Shutdown: got no error")
	}
}

// An address that is inherited is used, given up and taken up again, and stays ours all the time.
func TestInherit(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	all, other := Binding{Addr: ":" + port}, Binding{Addr: "127.0.0.1:0"}
	s, err := New([]Site{say("a", all)}, Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Inherit([]*net.TCPListener{l.(*net.TCPListener)})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	addr := "127.0.0.1:" + port
	if got := newClient(t, addr).get(); got != "a" {
		t.Errorf("inherited: got %q", got)
	}
	if got := s.Unused(); len(got) != 0 {
		t.Errorf("unused: got %v", got)
	}
	update(t, s, Limits{}, say("b", other))
	if got := s.Unused(); len(got) != 1 || got[0].String() != l.Addr().String() {
		t.Errorf("unused: got %v", got)
	}
	waiting := newClient(t, addr)
	send(t, waiting.Conn, get("/", "h"))
	update(t, s, Limits{}, say("c", other, all))
	if _, got := answer(t, waiting.Reader); got != "c" {
		t.Errorf("taken up again: got %q", got)
	}
	waiting.Close()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	<-served
	refused(t, addr)
}

func TestBinds(t *testing.T) {
	for _, c := range []struct {
		socket, addr string
		want         bool
	}{
		{"127.0.0.1:0", "127.0.0.1", true},
		{"127.0.0.1:0", "127.0.0.2", false},
		{"127.0.0.1:0", "", false},
		{"0.0.0.0:0", "", true},
		{"0.0.0.0:0", "0.0.0.0", true},
		{"0.0.0.0:0", "localhost", false},
	} {
		l, err := net.Listen("tcp4", c.socket)
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		addr, err := normalAddr(net.JoinHostPort(c.addr, port))
		if err != nil {
			t.Fatal(err)
		}
		if got := binds(l.(*net.TCPListener), addr); got != c.want {
			t.Errorf("a socket on %s binds %q: got %v, want %v", l.Addr(), addr, got, c.want)
		}
		if binds(l.(*net.TCPListener), net.JoinHostPort(c.addr, "1")) {
			t.Errorf("a socket on %s binds port 1", l.Addr())
		}
		l.Close()
	}
}
