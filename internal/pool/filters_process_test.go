//go:build linux

package pool_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/testext"
)

// filterRig is a pool whose requests go through filters to the fixture process.c, and, below /file, to a page of the server's.
type filterRig struct {
	*rig
	exec    executor.Replaceable
	filters []executor.Replaceable
	refs    []executor.FilterRef
}

// startFilters opens the images as filters; versions has what is loaded of the first ones.
func startFilters(t testing.TB, set pool.Settings, versions []executor.Version, images ...string) *filterRig {
	t.Helper()
	f := &filterRig{rig: &rig{t: t, log: &logBook{t: t}, dir: t.TempDir()}}
	set.Name, set.Log, set.Filters = "shop", slog.New(f.log), images
	set.Worker.Spec.Env = append(os.Environ(), "FILTER_TRACE="+f.file("trace"))
	f.pool = pool.New(set)
	var err error
	if f.exec, err = f.pool.Open(t.Context(), testext.Fixture(t, "process"), executor.Version{}); err != nil {
		t.Fatal(err)
	}
	for n, image := range images {
		v := executor.Version{}
		if n < len(versions) {
			v = versions[n]
		}
		e, err := f.pool.Open(t.Context(), image, v)
		if err != nil {
			t.Fatal(err)
		}
		f.filters = append(f.filters, e)
		f.refs = append(f.refs, executor.FilterRef{Image: image})
	}
	f.server = httptest.NewUnstartedServer(f)
	f.server.Listener = connections{f.server.Listener}
	f.server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return conn.NewContext(ctx, conn.Of(c)) }
	f.server.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			conn.Of(c).Ended()
		}
	}
	f.server.Config.ErrorLog = slog.NewLogLogger(f.log, slog.LevelDebug)
	f.server.Start()
	t.Cleanup(f.end)
	return f
}

// connections makes what is accepted connections of package conn.
type connections struct{ net.Listener }

func (l connections) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return conn.Wrap(c), nil
}

func (f *filterRig) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := space{}
	rt := s.Route(r)
	e, t := f.filters[0], &executor.Target{App: rt.App, Host: s}
	if rt.Target != nil {
		e, t.ScriptName = f.exec, rt.Target.ScriptName
		rt.Image = testext.Fixture(f.t, "process")
	}
	t.Filtered = &executor.Filtered{
		Filters: f.refs, Route: rt, Host: s, Connection: conn.From(r.Context()).Number(), Local: rt.Target != nil,
	}
	res := e.Execute(w, r, t)
	res.Check()
}

// space is where requests lead: to the extension, or to a page.
type space struct{}

var spaceApp = &executor.App{SiteID: 1, SiteName: "test", Path: "/"}

func (space) Route(r *http.Request) *executor.Route {
	rt := &executor.Route{App: spaceApp, Anonymous: true, Maps: []executor.URLMap{{URL: r.URL.Path, ScriptMap: "*,process.so"}}}
	if !strings.HasPrefix(r.URL.Path, "/file") {
		rt.Image, rt.Target = "process.so", &executor.Target{ScriptName: r.URL.Path, App: spaceApp}
	}
	return rt
}

func (space) Logon(*http.Request, *executor.Route, string, string) (*executor.User, bool) {
	return nil, true
}

func (space) Answer(w http.ResponseWriter, _ *http.Request, _ *executor.Route) executor.Result {
	fmt.Fprint(w, "a page")
	return executor.Result{}
}

func (space) Map(string) (executor.Mapping, error) { return executor.Mapping{}, os.ErrNotExist }

func (space) Exec(w http.ResponseWriter, r *http.Request, _ bool) { http.NotFound(w, r) }

func (space) Error(w http.ResponseWriter, _ *http.Request, status, _ int) {
	http.Error(w, http.StatusText(status), status)
}

// visitor is a client with one connection.
func (f *filterRig) visitor() *http.Client {
	tr := &http.Transport{MaxConnsPerHost: 1}
	f.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// ask is the answer to a request; do is what filter_trace.c is to do.
func (f *filterRig) ask(c *http.Client, target, do string) (status int, body string, header http.Header) {
	r, err := http.NewRequest("GET", f.server.URL+target, nil)
	if err != nil {
		return 0, err.Error(), nil
	}
	if do != "" {
		r.Header.Set("X-Do", do)
	}
	a := readAnswer(c.Do(r))
	if a.err != nil {
		return 0, a.err.Error(), nil
	}
	return a.status, a.text, a.header
}

// traced are the lines of the trace that have to do with what.
func (f *filterRig) traced(what string) (list []string) {
	text, err := os.ReadFile(f.file("trace"))
	if err != nil && !os.IsNotExist(err) {
		f.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, what) {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}

// waitTraced waits until so many lines have to do with what.
func (f *filterRig) waitTraced(n int, what string) {
	f.t.Helper()
	for end := time.Now().Add(30 * time.Second); len(f.traced(what)) != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			f.t.Fatalf("%d lines say %q, want %d:\n%s", len(f.traced(what)), what, n, strings.Join(f.traced(""), "\n"))
		}
	}
}

// TestFilterHome: the requests of a connection go to one worker as long as that takes any, and those of many connections to all.
func TestFilterHome(t *testing.T) {
	leavesNoTrace(t)
	f := startFilters(t, pool.Settings{Workers: 3}, nil, testext.Fixture(t, "filter_trace"))
	f.until("three workers are ready", func(st pool.Status) bool { return ready(st) == 3 })
	used := map[string]*http.Client{}
	for range 12 {
		c := f.visitor()
		_, home, _ := f.ask(c, "/process.so?pid", "")
		used[home] = c
		for range 5 {
			if _, pid, _ := f.ask(c, "/process.so?pid", ""); pid != home {
				t.Fatalf("a request was in process %s, the first of its connection in %s", pid, home)
			}
		}
		if status, page, _ := f.ask(c, "/file", ""); status != 200 || page != "a page" {
			t.Errorf("page: %d %q", status, page)
		}
	}
	if len(used) != 3 {
		t.Errorf("%d workers were used, want all three", len(used))
	}
	for home, c := range used { // one is enough
		pid, _ := strconv.Atoi(home)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_, next, _ := f.ask(c, "/process.so?pid", "")
		if _, err := strconv.Atoi(next); err != nil || next == home {
			t.Fatalf("after the end of %s: %q", home, next)
		}
		if _, pid, _ := f.ask(c, "/process.so?pid", ""); pid != next {
			t.Errorf("the connection went from %s on to %s", next, pid)
		}
		break
	}
}

func ready(st pool.Status) (n int) {
	for _, w := range st.Workers {
		if w.State == "ready" {
			n++
		}
	}
	return n
}

// TestFilterRecycle: a worker that retires tells its filters of the end of each connection, once, before their own. On the same
// connection the next worker begins anew.
func TestFilterRecycle(t *testing.T) {
	leavesNoTrace(t)
	f := startFilters(t, pool.Settings{}, nil, testext.Fixture(t, "filter_trace"), testext.Fixture(t, "filter_trace", `-DNAME="b"`))
	one, two := f.visitor(), f.visitor()
	for _, c := range []*http.Client{one, two, one} {
		f.ask(c, "/process.so?pid", "")
	}
	_, before, _ := f.ask(one, "/process.so?pid", "")
	f.pool.Recycle("test")
	f.waitTraced(2, "TerminateFilter")
	if ends := f.traced("END_OF_NET_SESSION"); len(ends) != 4 {
		t.Errorf("ends of connections: %q, want one of two connections for each of two filters", ends)
	}
	all := f.traced("")
	for _, name := range []string{"a", "b"} {
		terminated := false
		for _, line := range all {
			switch {
			case line == name+" TerminateFilter":
				terminated = true
			case terminated && strings.HasPrefix(line, name+"#"):
				t.Errorf("%q comes after the end of the filter", line)
			}
		}
	}
	if _, after, _ := f.ask(one, "/process.so?pid", ""); after == before {
		t.Errorf("process %s serves on", after)
	}
	one.CloseIdleConnections()
	two.CloseIdleConnections()
	f.waitTraced(6, "END_OF_NET_SESSION") // the new worker knew one
}

// TestFilterFault: a fault in a filter costs its request and retires the worker.
func TestFilterFault(t *testing.T) {
	leavesNoTrace(t)
	for _, event := range []string{"PREPROC_HEADERS", "URL_MAP", "SEND_RESPONSE"} {
		t.Run(event, func(t *testing.T) {
			f := startFilters(t, pool.Settings{}, nil, testext.Fixture(t, "filter_trace"))
			c := f.visitor()
			_, before, _ := f.ask(c, "/process.so?pid", "")
			if status, text, _ := f.ask(c, "/process.so?pid", event+"=crash"); status != 500 {
				t.Errorf("%d %q, want 500", status, text)
			}
			_, after, _ := f.ask(c, "/process.so?pid", "")
			if _, err := strconv.Atoi(after); err != nil || after == before {
				t.Errorf("process %s served before, %q after", before, after)
			}
			if st := f.pool.Status(); st.Totals.Faults != 1 {
				t.Errorf("%d faults, want 1\n%s", st.Totals.Faults, f.log)
			}
		})
	}
}

// TestFilterLost: a safe request whose worker is killed while it is in a filter is run again.
func TestFilterLost(t *testing.T) {
	leavesNoTrace(t)
	f := startFilters(t, pool.Settings{Workers: 2}, nil, testext.Fixture(t, "filter_trace"))
	f.until("two workers are ready", func(st pool.Status) bool { return ready(st) == 2 })
	c := f.visitor()
	_, home, _ := f.ask(c, "/process.so?pid", "")
	for n, target := range []string{"/process.so?pid", "/file"} {
		done := make(chan string)
		go func() {
			status, text, _ := f.ask(c, target, "END_OF_REQUEST=sleep:1; PREPROC_HEADERS=sleep:500")
			done <- fmt.Sprint(status, " ", text)
		}()
		f.waitTraced(n*3+2, "PREPROC_HEADERS")
		pid, _ := strconv.Atoi(home)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if got := <-done; !strings.HasPrefix(got, "200 ") {
			t.Errorf("%s: %s\n%s", target, got, f.log)
		}
		_, home, _ = f.ask(c, "/process.so?pid", "")
	}
}

// TestFilterSwap: a filter is replaced under load: each request is in one version of it from its beginning to its end, on connections
// that stay, and none is lost. What is counted is of the versions of the filter.
func TestFilterSwap(t *testing.T) {
	leavesNoTrace(t)
	version := func(n int) executor.Version {
		return versionOf(t, testext.Fixture(t, "filter_swapver", fmt.Sprintf("-DVERSION=%d", n)))
	}
	image := t.TempDir() + "/filter.so"
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, hold := range []bool{false, true} {
		t.Run(fmt.Sprint("hold ", hold), func(t *testing.T) {
			f := startFilters(t, pool.Settings{Workers: 2}, []executor.Version{version(1)}, image, testext.Fixture(t, "filter_noop"))
			stop := make(chan struct{})
			var load sync.WaitGroup
			for range 4 {
				c := f.visitor()
				load.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						status, text, h := f.ask(c, "/process.so?pid", "")
						if status != 200 || h.Get("X-Filter") != h.Get("X-Begun") || h.Get("X-Filter") == "" {
							t.Errorf("%d %q, begun in %q, ended in %q", status, text, h.Get("X-Begun"), h.Get("X-Filter"))
							return
						}
					}
				})
			}
			for n := 2; n <= 4; n++ {
				x, err := f.filters[0].Replace(t.Context(), version(n), executor.Replacing{Hold: hold, Reason: "test"})
				if err != nil {
					t.Fatalf("%v\n%s", err, f.log)
				}
				if want := fmt.Sprint("swapver ", n); x.Description() != want {
					t.Errorf("it says %q, want %q", x.Description(), want)
				}
				if !hold {
					x.Share(0.5)
					fresh := make(chan string, 100)
					for range 30 {
						_, _, h := f.ask(f.visitor(), "/process.so?pid", "")
						fresh <- h.Get("X-Filter")
					}
					close(fresh)
					seen := map[string]int{}
					for v := range fresh {
						seen[v]++
					}
					if seen[fmt.Sprint(n)] == 0 || seen[fmt.Sprint(n-1)] == 0 {
						t.Errorf("with half of the new connections for version %d: %v", n, seen)
					}
					if p := x.Progress(); p.New.Requests == 0 || p.Old.Requests == 0 {
						t.Errorf("counted %+v", p)
					}
				}
				x.Commit()
				if _, _, h := f.ask(f.visitor(), "/process.so?pid", ""); h.Get("X-Filter") != fmt.Sprint(n) {
					t.Errorf("after the commit of %d version %q serves", n, h.Get("X-Filter"))
				}
				if err := x.Settle(t.Context()); err != nil {
					t.Errorf("settle: %v", err)
				}
			}
			close(stop)
			load.Wait()
		})
	}
}

// TestFilterOnly: a pool may have nothing but a filter; it is asked whether it lives. A request through a filter that is not there is
// refused.
func TestFilterOnly(t *testing.T) {
	leavesNoTrace(t)
	f := startFilters(t, pool.Settings{Ping: 10 * time.Millisecond}, nil, testext.Fixture(t, "filter_noop"))
	if err := f.exec.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	f.until("the filter has answered a ping", func(st pool.Status) bool {
		return len(st.Workers) == 1 && st.Workers[0].LastPing != nil && st.Workers[0].LastPing.After(began)
	})
	c := f.visitor()
	if status, page, _ := f.ask(c, "/file", ""); status != 200 || page != "a page" {
		t.Errorf("%d %q", status, page)
	}
	f.refs = append(f.refs, executor.FilterRef{Image: "missing.so"})
	if status, _, _ := f.ask(c, "/file", ""); status != 503 {
		t.Errorf("through a filter that is not loaded: %d, want 503", status)
	}
}
