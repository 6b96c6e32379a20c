package front

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/testlog"
)

// traced is a server whose requests go through filters that write down what they see.
type traced struct {
	t     *testing.T
	front *Front
	end   func()
	file  string
	root  string
	addr  string
}

// newTraced serves a site with a page, and an extension below /echo, through filters in the workers or in this process.
func newTraced(t *testing.T, mode config.PoolMode, change func(*config.Config), filters ...string) *traced {
	t.Helper()
	x := &traced{t: t, file: filepath.Join(t.TempDir(), "trace")}
	t.Setenv("FILTER_TRACE", x.file)
	cfg := oneSite(t, map[string]string{"/echo/*": testext.Source(t, echo)})
	cfg.Pools[config.DefaultPoolName].Mode = mode
	cfg.Sites[0].Filters = filters
	if err := os.WriteFile(filepath.Join(cfg.Sites[0].Root, "page.txt"), []byte("a page"), 0o600); err != nil {
		t.Fatal(err)
	}
	x.root = cfg.Sites[0].Root
	if change != nil {
		change(cfg)
	}
	x.front = newFront(t, cfg)
	x.end = serve(t, x.front)
	x.addr = strings.Trim(strings.TrimPrefix(x.front.URLs()[0], "http://"), "/")
	return x
}

// lines are what filters have written so far.
func (x *traced) lines() []string {
	text, err := os.ReadFile(x.file)
	if err != nil && !os.IsNotExist(err) {
		x.t.Fatal(err)
	}
	return strings.Split(strings.ReplaceAll(strings.TrimSpace(string(text)), x.root, ""), "\n")
}

// until waits until so many lines have what is looked for.
func (x *traced) until(n int, what string) {
	x.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		lines := x.lines()
		if got := strings.Count(strings.Join(lines, "\n"), what); got == n {
			return
		} else if got > n || time.Now().After(end) {
			x.t.Fatalf("%d times %q, want %d:\n%s", got, what, n, strings.Join(lines, "\n"))
		}
	}
}

// client is one connection.
type client struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
}

func (x *traced) dial() *client {
	x.t.Helper()
	c, err := net.Dial("tcp", x.addr)
	if err != nil {
		x.t.Fatal(err)
	}
	return &client{x.t, c, bufio.NewReader(c)}
}

// ask sends a request with more header lines, and is its answer.
func (c *client) ask(method, target string, lines ...string) string {
	c.t.Helper()
	r, err := http.NewRequest(method, "http://test"+target, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	if err := r.Write(c.c); err != nil {
		c.t.Fatal(err)
	}
	resp, err := http.ReadResponse(c.r, r)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	var body strings.Builder
	if _, err := bufio.NewReader(resp.Body).WriteTo(&body); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, body.String())
}

// TestFiltersWhereverTheyRun: what filters see, and what clients get, is the same in workers as in this process.
func TestFiltersWhereverTheyRun(t *testing.T) {
	var want []string
	for _, mode := range []config.PoolMode{config.ModeInProcess, config.ModeIsolated} {
		x := newTraced(t, mode, nil, testext.Fixture(t, "filter_trace"), testext.Fixture(t, "filter_trace", `-DNAME="b"`, "-DORDER=SF_NOTIFY_ORDER_HIGH"))
		var got []string
		for n, requests := range [][][]string{
			{{"GET", "/page.txt"}, {"GET", "/page.txt?again"}},
			{{"GET", "/echo/a/b?q=1"}, {"POST", "/echo/c"}},
			{{"GET", "/missing"}},
			{{"GET", "/page.txt", "X-Do: PREPROC_HEADERS@a=set:url|/echo/moved"}, {"GET", "/echo/x", "X-Do: PREPROC_HEADERS=set:url|/page.txt"}},
			{{"GET", "/page.txt", "X-Do: AUTH_COMPLETE@b=set:url|/echo/late"}},
			{{"GET", "/page.txt", "X-Do: URL_MAP=pathend:.none"}},
			{{"GET", "/page.txt", "X-Do: PREPROC_HEADERS@b=page:own; PREPROC_HEADERS@b=finished"}},
			{{"GET", "/echo/own", "X-Do: SEND_RESPONSE=set:X-A:|1; LOG=log:target|/other"}},
			{{"GET", "/page.txt", "X-Do: AUTHENTICATION@b=error:5; AUTHENTICATION@b=error"}},
			{{"GET", "/echo/var", "X-Do: PREPROC_HEADERS@a=set:X-B:|2; AUTH_COMPLETE=var:HTTP_X_B; AUTH_COMPLETE=var:SCRIPT_NAME; AUTH_COMPLETE=var:APPL_MD_PATH"}},
			{{"GET", "/echo/user", "X-Do: AUTHENTICATION@a=user:alice|secret"}},
		} {
			c := x.dial()
			for _, r := range requests {
				got = append(got, fmt.Sprintf("%q: %s", r, c.ask(r[0], r[1], r[2:]...)))
			}
			c.c.Close()
			x.until(2*n+2, "END_OF_NET_SESSION")
		}
		x.end()
		lines := x.lines()
		if ends := lines[len(lines)-2:]; !slices.Contains(ends, "a TerminateFilter") || !slices.Contains(ends, "b TerminateFilter") {
			t.Errorf("at the end: %q", ends)
		}
		got = append(got, lines[:len(lines)-2]...)
		if want == nil {
			want = got
			continue
		}
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("in workers line %d is %q, want %q as in this process:\n%s", i, got[i], want[i], strings.Join(got, "\n"))
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d lines in workers, %d in this process:\n%s", len(got), len(want), strings.Join(got, "\n"))
		}
	}
}

// refusing is a filter that answers every request 500.
const refusing = `
#include <stdio.h>
#include "httpfilt.h"

BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *v) {
    v->dwFlags = SF_NOTIFY_PREPROC_HEADERS;
    snprintf(v->lpszFilterDesc, sizeof v->lpszFilterDesc, "refusing");
    return TRUE;
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    (void)type, (void)data;
    c->ServerSupportFunction(c, SF_REQ_SEND_RESPONSE_HEADER, (PVOID) "500 Refused", 0, 0);
    return SF_STATUS_REQ_FINISHED;
}
`

// TestVerifyFilter: the probe of a filter goes through its new version, in front of an extension and of a page, and decides.
func TestVerifyFilter(t *testing.T) {
	modes(t, func(t *testing.T, mode config.PoolMode) {
		for _, path := range []string{"/echo/probe", "/page.txt"} {
			x := &changing{T: t, folder: t.TempDir()}
			build := func(file string) []byte {
				b, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			x.put("shop.so", build(testext.Fixture(t, "filter_swapver", "-DVERSION=1")))
			server := newTraced(t, mode, func(c *config.Config) {
				p := defaultPool(c)
				p.Update.Window = 0
				p.Update.Verify = &config.Verify{Path: path, Status: 200, Timeout: time.Minute}
			}, x.path("shop.so"))
			x.Front, x.control, x.log = server.front, NewControl(server.front, "test", func() {}), &testlog.Buffer{}
			serves := func(n int) {
				t.Helper()
				resp, err := http.Get("http://" + server.addr + path)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if got := resp.Header.Get("X-Filter"); resp.StatusCode != 200 || got != fmt.Sprint(n) {
					t.Errorf("%s: %d through version %q, want %d", path, resp.StatusCode, got, n)
				}
			}
			serves(1)
			x.put("shop.update", build(testext.Fixture(t, "filter_swapver", "-DVERSION=2")))
			x.last(1, outcome(swap.Committed))
			serves(2)
			x.put("shop.update", build(testext.Source(t, refusing)))
			if r := x.last(2, outcome(swap.Rejected)); !strings.Contains(r.Reason, "500") {
				t.Errorf("rejected: %s", r.Reason)
			}
			serves(2)
			if mode == config.ModeIsolated { // in this process it can have what it wants
				x.put("shop.update", build(testext.Fixture(t, "filter_upcase")))
				if r := x.last(3, outcome(swap.Rejected)); !strings.Contains(r.Reason, "SEND_RAW_DATA") {
					t.Errorf("rejected: %s", r.Reason)
				}
				serves(2)
			}
			http.DefaultClient.CloseIdleConnections()
			server.end()
		}
	})
}

// TestReloadFiltersOfWorkers: filters come and go, also such as are extensions already, and images in them, while requests run. With
// workers for each image, those in front of an application have one process.
func TestReloadFiltersOfWorkers(t *testing.T) {
	guard := testext.Fixture(t, "filter_swapver", "-DVERSION=1")
	other := testext.Fixture(t, "filter_noop")
	x := newTrial(t, nil)
	through := func(version string) (pid string) {
		t.Helper()
		resp, err := http.Get(x.URLs()[0] + "where/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var body strings.Builder
		if _, err := bufio.NewReader(resp.Body).WriteTo(&body); err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("X-Filter"); resp.StatusCode != 200 || got != version {
			t.Errorf("%d %q through %q, want %q", resp.StatusCode, body.String(), got, version)
		}
		pid, _, _ = strings.Cut(body.String(), " ")
		return pid
	}
	without := through("")
	with := func(isolation config.Isolation, filters ...string) {
		t.Helper()
		said := x.reload(func(c *config.Config) {
			c.Sites[0].Filters = filters
			defaultPool(c).Isolation = isolation
		})
		if strings.Contains(said, "other workers: filters") == (isolation == config.PerExtension) {
			t.Errorf("the reload says %s", said)
		}
	}
	with(config.PerApplication, guard)
	if pid := through("1"); pid == without {
		t.Errorf("%s serves on, that knew no filter", pid)
	}
	x.clean(2, 1)
	with(config.PerApplication, guard, other)
	through("1")
	x.clean(3, 1)
	with(config.PerExtension, guard, other)
	through("1")
	x.clean(3, 1)
	if _, err := x.Reload(t.Context(), x.config(func(c *config.Config) { c.Sites[0].Filters = []string{x.image} })); err == nil {
		t.Error("an image without a filter half is taken for one")
	}
	through("1")

	both := testext.Fixture(t, "filter_connector")
	for _, c := range []struct {
		filters []string
		loads   string // each half is asked for its version
		images  int
	}{{nil, "loads=1", 2}, {[]string{both}, "loads=2", 2}, {[]string{both, guard}, "loads=2", 3}, {nil, "loads=1", 2}} {
		x.reload(func(cfg *config.Config) {
			cfg.Sites[0].Filters = c.filters
			cfg.Sites[0].Applications[0].Handlers = append(cfg.Sites[0].Applications[0].Handlers, config.Handler{Path: "/both/*", Extension: both})
		})
		if status, body := get(t, x.URLs()[0]+"both/x"); status != 200 || !strings.Contains(body, c.loads) {
			t.Errorf("with the filters %q: %d %q, want %s", c.filters, status, body, c.loads)
		}
		x.clean(c.images, 1)
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
}

// TestReloadFiltersUnderLoad: filters come and go in front of workers under load, with recycling in between: no request fails.
func TestReloadFiltersUnderLoad(t *testing.T) {
	guard, other := testext.Fixture(t, "filter_swapver", "-DVERSION=1"), testext.Fixture(t, "filter_trace", "-DNAME=\"other\"")
	x := newTrial(t, func(c *config.Config) { c.Sites[0].Filters = []string{guard} })
	addr := x.server.Addrs()[0].String()
	var answered atomic.Int64
	var stop atomic.Bool
	var clients sync.WaitGroup
	for n := range 4 {
		clients.Go(func() {
			for !stop.Load() && !t.Failed() {
				if err := exchange(addr, &stop, n != 0, &answered); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 24 {
		before := answered.Load()
		x.reload(func(c *config.Config) {
			c.Sites[0].Filters = [][]string{{guard, other}, nil, {other}, {guard}}[i%4]
			defaultPool(c).Workers = 1 + i%3
		})
		for _, p := range x.pools.named(config.DefaultPoolName) {
			p.Recycle("test")
		}
		x.until("answering", func() bool { return t.Failed() || answered.Load() >= before+20 })
	}
	stop.Store(true)
	clients.Wait()
	x.reload(nil)
	x.clean(1, 1)
	if s := x.Stats(); s.Broken != 0 || s.Faults != 0 {
		t.Errorf("%+v", s)
	}
}
