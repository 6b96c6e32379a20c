package front

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/testcert"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/testlog"
)

// filtered is a server in one process with filters.
type filtered struct {
	*Front
	*testing.T
	cfg   *config.Config
	log   *testlog.Buffer
	trace string
	end   func()
}

const allEvents = "-DEVENTS=(SF_NOTIFY_PREPROC_HEADERS|SF_NOTIFY_END_OF_REQUEST|SF_NOTIFY_LOG|SF_NOTIFY_END_OF_NET_SESSION)"

// newFiltered serves a site with a page and an extension at /echo, in this process, as change has it.
func newFiltered(t *testing.T, change func(c *config.Config)) *filtered {
	t.Helper()
	x := &filtered{T: t, log: &testlog.Buffer{}, trace: filepath.Join(t.TempDir(), "trace")}
	t.Setenv("FILTER_TRACE", x.trace)
	x.cfg = oneSite(t, map[string]string{"/echo/*": testext.Source(t, echo)})
	defaultPool(x.cfg).Mode = config.ModeInProcess
	if err := os.WriteFile(filepath.Join(x.cfg.Sites[0].Root, "page.txt"), []byte("a page\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	change(x.cfg)
	f, err := New(x.cfg, slog.New(slog.NewTextHandler(x.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	x.Front = f
	return x
}

func (x *filtered) serve() *filtered {
	x.Helper()
	x.end = serve(x.T, x.Front)
	return x
}

// dial connects to the first binding.
func (x *filtered) dial(secure bool) net.Conn {
	x.Helper()
	addr := strings.Trim(x.URLs()[0][strings.Index(x.URLs()[0], "//"):], "/")
	c, err := net.Dial("tcp", addr)
	if err != nil {
		x.Fatal(err)
	}
	if secure {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	x.Cleanup(func() { c.Close() })
	return c
}

// ask sends a request and reads the answer to it.
func (x *filtered) ask(c net.Conn, r *bufio.Reader, path string, head ...string) (status int, body string) {
	x.Helper()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, strings.Join(head, "")); err != nil {
		x.Fatal(err)
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		x.Fatalf("%s: %v", path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		x.Fatalf("%s: %v", path, err)
	}
	return resp.StatusCode, string(b)
}

// events waits for so many lines with a text in the trace, and answers all there are.
func (x *filtered) events(text string, times int) (list []string) {
	x.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		data, err := os.ReadFile(x.trace)
		if err != nil && !os.IsNotExist(err) {
			x.Fatal(err)
		}
		if list = strings.Split(strings.TrimSpace(string(data)), "\n"); strings.Count(string(data), text) >= times {
			return list
		}
		if time.Now().After(end) {
			x.Fatalf("%d lines with %q are not there:\n%s", times, text, data)
		}
	}
}

func certificates(t *testing.T, c *config.Config) {
	t.Helper()
	cert := testcert.New(t, t.TempDir())
	c.Sites[0].Certificate, c.Sites[0].Key = cert.File, cert.Key
	c.Sites[0].Bindings[0].TLS = true
}

// TestSessions: END_OF_NET_SESSION comes once for each connection that had an event, after everything else, however it ends.
func TestSessions(t *testing.T) {
	const wait = "X-Do: PREPROC_HEADERS=sleep:20\r\n"
	for _, secure := range []bool{false, true} {
		x := newFiltered(t, func(c *config.Config) {
			c.Filters = []string{testext.Fixture(t, "filter_trace", allEvents)}
			if secure {
				certificates(t, c)
			}
		}).serve()
		connections := 0
		open := func() (net.Conn, *bufio.Reader) {
			c := x.dial(secure)
			return c, bufio.NewReader(c)
		}
		c, r := open() // two requests, then the client leaves
		connections++
		x.ask(c, r, "/page.txt")
		if status, body := x.ask(c, r, "/echo/a"); status != 200 || body != "/a" {
			t.Errorf("%d %q", status, body)
		}
		c.Close()
		x.events("END_OF_NET_SESSION", connections)

		c, r = open() // the server ends it
		connections++
		x.ask(c, r, "/page.txt", "Connection: close\r\n")
		x.events("END_OF_NET_SESSION", connections)

		c, _ = open() // the client leaves while a filter runs
		connections++
		fmt.Fprintf(c, "GET /page.txt HTTP/1.1\r\nHost: x\r\n%s\r\n", wait)
		x.events("PREPROC_HEADERS", 4)
		c.Close()
		x.events("END_OF_NET_SESSION", connections)

		c, r = open() // a filter ends it
		connections++
		fmt.Fprint(c, "GET /page.txt HTTP/1.1\r\nHost: x\r\nX-Do: PREPROC_HEADERS=finished\r\n\r\n")
		if b, err := io.ReadAll(r); len(b) > 0 {
			t.Errorf("FINISHED without an answer: %q %v", b, err)
		}
		x.events("END_OF_NET_SESSION", connections)

		c, r = open() // a filter faults
		connections++
		if status, _ := x.ask(c, r, "/page.txt", "X-Do: PREPROC_HEADERS=crash\r\n"); status != 500 {
			t.Errorf("a crash: %d", status)
		}
		c.Close()
		x.events("END_OF_NET_SESSION", connections)

		c, _ = open() // nothing, or nothing that is a request
		c.Close()
		c, r = open()
		fmt.Fprint(c, "nonsense\r\n\r\n")
		_, _ = io.ReadAll(r)

		c, r = open() // idle when the server ends
		connections++
		x.ask(c, r, "/page.txt")
		c, _ = open() // busy when the server ends
		connections++
		fmt.Fprint(c, "GET /page.txt HTTP/1.1\r\nHost: x\r\nX-Do: PREPROC_HEADERS=sleep:200\r\n\r\n")
		x.events("PREPROC_HEADERS", 8)
		x.end()

		last := map[string]string{}
		ends := 0
		for _, line := range x.events("TerminateFilter", 1) {
			if strings.Contains(line, "TerminateFilter") {
				continue
			}
			if mark, event, _ := strings.Cut(line, " "); last[mark] == "END_OF_NET_SESSION" {
				t.Errorf("after the end of %s: %s", mark, event)
			} else if last[mark] = event; event == "END_OF_NET_SESSION" {
				ends++
			}
		}
		if ends != connections || len(last) != connections {
			t.Errorf("secure %v: %d connections ended of %d, want %d", secure, ends, len(last), connections)
		}
		if strings.Contains(x.log.String(), "panic") {
			t.Error(x.log)
		}
	}
}

// TestSessionsHTTP2: each stream is a connection.
func TestSessionsHTTP2(t *testing.T) {
	x := newFiltered(t, func(c *config.Config) {
		c.Filters = []string{testext.Fixture(t, "filter_trace", allEvents)}
		certificates(t, c)
	}).serve()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	client := &http.Client{Transport: transport}
	for n := 1; n <= 3; n++ {
		resp, err := client.Get(x.URLs()[0] + "page.txt")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.ProtoMajor != 2 {
			t.Fatal(resp.Proto)
		}
		x.events("END_OF_NET_SESSION", n)
	}
	transport.CloseIdleConnections()
	x.end()
	if n := strings.Count(strings.Join(x.events("", 0), "\n"), "END_OF_NET_SESSION"); n != 3 {
		t.Errorf("%d ends of 3 streams", n)
	}
}

// TestFilterOrder: those of all sites come before those of the site and of the application; images are loaded in that order, before
// extensions.
func TestFilterOrder(t *testing.T) {
	named := func(name, order string) string {
		return testext.Fixture(t, "filter_trace", "-DEVENTS=SF_NOTIFY_PREPROC_HEADERS", `-DNAME="`+name+`"`, "-DORDER=SF_NOTIFY_ORDER_"+order)
	}
	x := newFiltered(t, func(c *config.Config) {
		c.Sites[0].Applications[0].Filters = []string{named("d", "HIGH"), named("e", "LOW")}
		c.Sites[0].Filters = []string{named("c", "LOW")}
		c.Filters = []string{named("a", "LOW"), named("b", "HIGH")}
	}).serve()
	if status, _ := get(t, x.URLs()[0]+"echo/x"); status != 200 {
		t.Error(status)
	}
	var order []string
	for _, line := range x.events("PREPROC", 5) {
		order = append(order, line[:1])
	}
	if !slices.Equal(order, []string{"b", "a", "d", "c", "e"}) {
		t.Errorf("asked in the order %q", order)
	}
	var filters int
	for _, e := range x.Extensions() {
		if e.Filter {
			filters++
		}
	}
	if filters != 5 {
		t.Errorf("%d filters of %+v", filters, x.Extensions())
	}
	text := x.log.String()
	if i, j := strings.LastIndex(text, "description=\"trace"), strings.Index(text, "description=echo"); i < 0 || j < i {
		t.Errorf("the extension is loaded before the filters:\n%s", text)
	}
}

// TestFilterRefused: a filter that cannot be loaded keeps the server from starting, and a reload from taking place, and says why.
func TestFilterRefused(t *testing.T) {
	raw := func(flags ...string) string { return testext.Fixture(t, "filter_raw", flags...) }
	for _, c := range []struct {
		name   string
		change func(c *config.Config)
		want   string
	}{
		{"is none", func(c *config.Config) { c.Filters = []string{testext.Source(t, echo)} }, "GetFilterVersion"},
		{"read of a site", func(c *config.Config) { c.Sites[0].Filters = []string{raw()} },
			`it asks for SF_NOTIFY_SEND_RAW_DATA|SF_NOTIFY_READ_RAW_DATA, but bytes are read before it is known which site they are for: list it in "filters" at the top level`},
		{"isolated", func(c *config.Config) {
			c.Filters = []string{raw()}
			defaultPool(c).Mode = config.ModeIsolated
		}, `which only filters in the server's own process can get: give it a pool with "mode: in-process"`},
		{"HTTP/2", func(c *config.Config) {
			c.Filters = []string{raw()}
			certificates(t, c)
		}, `but site "test" speaks HTTP/2, where requests have no bytes of their own: write "http2: false" there, or have the filter register for SF_NOTIFY_NONSECURE_PORT only`},
		{"several pools", func(c *config.Config) {
			c.Filters = []string{raw()}
			other := *defaultPool(c)
			c.Pools["other"] = &other
			second := c.Sites[0].Applications[0]
			second.Path, second.Pool, second.Handlers = "/two", "other", nil
			c.Sites[0].Applications = append(c.Sites[0].Applications, second)
		}, "but a connection has one filter, and this one is in the pools default and other: have all applications use one pool"},

		{"secure without HTTP/2", func(c *config.Config) {
			c.Filters = []string{raw()}
			certificates(t, c)
			c.Sites[0].HTTP2 = false
		}, ""},
		{"not on the secure port", func(c *config.Config) {
			c.Filters = []string{raw("-DPORTS=SF_NOTIFY_NONSECURE_PORT")}
			certificates(t, c)
		}, ""},
		{"sent of a site", func(c *config.Config) { c.Sites[0].Filters = []string{raw("-DEVENTS=SF_NOTIFY_SEND_RAW_DATA")} }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newFiltered(t, c.change)
			err := x.Start()
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if err := x.Drain(t.Context()); err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
			y := newFiltered(t, func(*config.Config) {}).serve()
			if _, err := y.Reload(t.Context(), x.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("reload: %v\nwant %s", err, c.want)
			}
			if status, _ := get(t, y.URLs()[0]+"page.txt"); status != 200 {
				t.Errorf("after the reload that did not take place: %d", status)
			}
		})
	}
}

// TestReloadFilters: a reload adds and removes filters for new requests, also on connections that are there. One that is not wanted any
// more is unloaded, after the end of its sessions.
func TestReloadFilters(t *testing.T) {
	one := testext.Fixture(t, "filter_trace", allEvents, `-DNAME="one"`)
	two := testext.Fixture(t, "filter_trace", allEvents, `-DNAME="two"`)
	x := newFiltered(t, func(*config.Config) {}).serve()
	c := x.dial(false)
	r := bufio.NewReader(c)
	with := func(filters ...string) {
		t.Helper()
		cfg := *x.setup.Load().cfg
		cfg.Filters = filters
		if _, err := x.Reload(t.Context(), &cfg); err != nil {
			t.Fatal(err)
		}
		if status, body := x.ask(c, r, "/echo/x"); status != 200 || body != "/x" {
			t.Errorf("with %q: %d %q", filters, status, body)
		}
	}
	with(one)
	with(one, two)
	with(two)
	x.events("one TerminateFilter", 1)
	with()
	got := x.events("two TerminateFilter", 1)
	count := func(line string) (n int) {
		for _, l := range got {
			if l == line {
				n++
			}
		}
		return n
	}
	if count("one#1 PREPROC_HEADERS GET /echo/x") != 2 || count("two#1 PREPROC_HEADERS GET /echo/x") != 2 ||
		count("one#1 END_OF_NET_SESSION") != 1 || count("two#1 END_OF_NET_SESSION") != 1 {
		t.Errorf("events\n%s", strings.Join(got, "\n"))
	}
	if i, j := slices.Index(got, "one#1 END_OF_NET_SESSION"), slices.Index(got, "one TerminateFilter"); i < 0 || j < i {
		t.Error("TerminateFilter before the end of the sessions")
	}
}

// TestFilterLog: what a filter makes of the log is in the access log.
func TestFilterLog(t *testing.T) {
	access := filepath.Join(t.TempDir(), "access.log")
	x := newFiltered(t, func(c *config.Config) {
		c.Filters = []string{testext.Fixture(t, "filter_trace", allEvents)}
		c.Log.Access = logAt(access)
	}).serve()
	c := x.dial(false)
	r := bufio.NewReader(c)
	x.ask(c, r, "/echo/a?q=1", "X-Do: LOG=log:user|eve;LOG=log:operation|PUT;LOG=log:target|/other;LOG=log:host|here;LOG=log:server|there\r\n")
	x.ask(c, r, "/page.txt?q=2", "X-Do: LOG=log:user|-\r\n")
	x.ask(c, r, "/page.txt?q=3", "X-Do: LOG=log:parameters|secret=removed\r\n")
	c.Close()
	x.end()
	checkAccessLog(t, access, []map[string]any{
		{"method": "PUT", "url": "/other?q=1", "user": "eve", "client": "here", "host": "there", "status": 200.},
		{"method": "GET", "url": "/page.txt?q=2", "user": nil, "host": "x", "status": 200.},
		{"method": "GET", "url": "/page.txt?secret=removed", "user": nil, "host": "x", "status": 200.},
	})
}
