// Package replacetest is the conformance suite of [executor.Replaceable]: what replacing an image means, whatever runs it. It builds
// versions of one extension (testdata/ext/version.c), and replaces them behind a real HTTP server, under load:
//
//	func TestReplace(t *testing.T) { replacetest.Run(t, open) }
//
// A test is a function of a *suite in the file of its subject; [Run] lists them.
package replacetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/testwait"
)

// Open opens the image at path in version o.Version. The suite closes it.
type Open func(path string, o executor.Options) (executor.Replaceable, error)

// Run runs the whole suite.
func Run(t *testing.T, open Open) { run(t, &suite{open: open}) }

// RunFilter runs it with an image that is a filter, too: every request goes through its filter half, as a server would have it, and both
// halves must be of the same version.
func RunFilter(t *testing.T, open Open) { run(t, &suite{open: open, filter: true}) }

// RunDLL runs it with DLLs for windows/arch, on whatever system.
func RunDLL(t *testing.T, arch string, open Open) { run(t, &suite{open: open, dll: arch}) }

func run(t *testing.T, s *suite) {
	for _, sub := range []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"UnderLoad", testUnderLoad},
		{"NewAloneFirst", testNewAloneFirst},
		{"BadVersions", testBadVersions},
		{"Share", testShare},
		{"RevertBeforeCommit", testRevertBeforeCommit},
		{"RevertAfterCommit", testRevertAfterCommit},
		{"TurnByTurn", testTurnByTurn},
		{"InFlight", testInFlight},
		{"Crashes", testCrashes},
		{"Hold", testHold},
		{"HoldUnderLoad", testHoldUnderLoad},
		{"HoldFails", testHoldFails},
		{"HoldReverted", testHoldReverted},
		{"HoldFull", testHoldFull},
		{"HoldTooLong", testHoldTooLong},
		{"Close", testClose},
	} {
		t.Run(sub.name, func(t *testing.T) { sub.run(t, s) })
	}
}

// suite is what every test of it gets.
type suite struct {
	open   Open
	filter bool   // the image is a filter, too
	dll    string // the processor, if images are DLLs wherever this is
}

// windows tells whether images are DLLs.
func (s *suite) windows() bool { return s.dll != "" || runtime.GOOS == "windows" }

func (s *suite) ending() string {
	if s.windows() {
		return ".dll"
	}
	return ".so"
}

// segv is what a crash of an image is called.
func (s *suite) segv() string {
	if s.windows() {
		return "EXCEPTION_ACCESS_VIOLATION"
	}
	return "SIGSEGV"
}

// version is [Version] of the image that the suite is run with.
func (s *suite) version(t testing.TB, n int, flags ...string) executor.Version {
	t.Helper()
	if s.filter {
		flags = append(flags, "-DFILTER")
	}
	if s.dll != "" {
		return versionOf(t, testext.DLL(t, s.dll, "version", append(flags, fmt.Sprintf("-DVERSION=%d", n))...))
	}
	return Version(t, n, flags...)
}

// Version builds version n of the extension with flags for the compiler, and answers it as an executor is told of it.
func Version(t testing.TB, n int, flags ...string) executor.Version {
	t.Helper()
	return versionOf(t, testext.Fixture(t, "version", append(flags, fmt.Sprintf("-DVERSION=%d", n))...))
}

func versionOf(t testing.TB, file string) executor.Version {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return executor.Version{File: file, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(b))}
}

// trial is an image in version 1 behind a server.
type trial struct {
	t      *testing.T
	dir    string // of the image
	ex     executor.Replaceable
	srv    *httptest.Server
	filter bool
}

// start opens version 1. Everything ends with the test, which fails when the executor does not.
func (s *suite) start(t *testing.T, o executor.Options) *trial {
	t.Helper()
	x := &trial{t: t, dir: t.TempDir(), filter: s.filter}
	x.write("life", "")
	x.write("go", "")
	o.Version, o.Filter = s.version(t, 1), s.filter
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	var err error
	if x.ex, err = s.open(filepath.Join(x.dir, "shop"+s.ending()), o); err != nil {
		t.Fatal(err)
	}
	x.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var res executor.Result
		if x.filter {
			res = filtered{ex: x.ex}.serve(w, r)
		} else {
			res = x.ex.Execute(w, r, &executor.Target{ScriptName: "/shop.so", Host: host{}})
		}
		res.Check()
	}))
	t.Cleanup(func() {
		x.srv.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := x.ex.Close(ctx); err != nil && !isClosed(err) {
			t.Errorf("close: %v", err)
		}
	})
	if got := x.get(""); got != "200 1" {
		t.Fatalf("version 1 answers %q", got)
	}
	return x
}

// host is the server around the executor: it has a page for errors.
type host struct{ executor.Host }

func (host) Error(w http.ResponseWriter, _ *http.Request, status, _ int) {
	http.Error(w, "error page", status)
}

// write puts a file beside the image.
func (x *trial) write(name, content string) {
	x.t.Helper()
	if err := os.WriteFile(filepath.Join(x.dir, name), []byte(content), 0o600); err != nil {
		x.t.Fatal(err)
	}
}

// life is what the versions have told of their lives.
func (x *trial) life() (list []string) {
	x.t.Helper()
	b, err := os.ReadFile(filepath.Join(x.dir, "life"))
	if err != nil {
		x.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line) // what, version, thread
		list = append(list, fields[0]+" "+fields[1])
	}
	return list
}

// happens waits for an event in their lives.
func (x *trial) happens(event string) {
	x.t.Helper()
	testwait.Until(x.t, event, func() bool { return slices.Contains(x.life(), event) })
}

// count is how often an event has happened.
func (x *trial) count(event string) (n int) {
	x.t.Helper()
	for _, e := range x.life() {
		if e == event {
			n++
		}
	}
	return n
}

// get asks, and answers the status and the body.
func (x *trial) get(query string) string {
	x.t.Helper()
	res, err := x.srv.Client().Get(x.srv.URL + "/shop.so?" + query)
	return x.answer(res, err)
}

func (x *trial) answer(res *http.Response, err error) string {
	x.t.Helper()
	if err != nil {
		x.t.Error(err)
		return err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		x.t.Error(err)
	}
	if version := strings.TrimSpace(string(b)); x.filter && res.StatusCode == http.StatusOK && res.Header.Get("X-Filter") != version {
		x.t.Errorf("a request went through the filter of version %q and the extension of version %q", res.Header.Get("X-Filter"), version)
	}
	return fmt.Sprint(res.StatusCode, " ", strings.TrimSpace(string(b)))
}

// getLater asks in the background.
func (x *trial) getLater(query string) <-chan string {
	got := make(chan string, 1)
	go func() { got <- x.get(query) }()
	return got
}

// replace replaces and fails the test if that fails.
func (x *trial) replace(v executor.Version, how executor.Replacing) executor.Replacement {
	x.t.Helper()
	r, err := x.ex.Replace(x.t.Context(), v, how)
	if err != nil {
		x.t.Fatal(err)
	}
	return r
}

// settle settles and fails the test if that fails.
func (x *trial) settle(r executor.Replacement) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), 20*time.Second)
	defer cancel()
	if err := r.Settle(ctx); err != nil {
		x.t.Error(err)
	}
}

// alone has the new version answer a request whatever is routed where.
func (x *trial) alone(r executor.Replacement) string {
	rec := httptest.NewRecorder()
	r.Execute(rec, httptest.NewRequest("GET", "/shop.so", nil), &executor.Target{Host: host{}})
	return fmt.Sprint(rec.Code, " ", strings.TrimSpace(rec.Body.String()))
}

// clients ask without end. Each checks that it is answered, and by no version older than the one that was committed before it asked.
type clients struct {
	x      *trial
	stop   chan struct{}
	all    sync.WaitGroup
	mu     sync.Mutex // guards all below
	oldest int
	served map[int]int
}

func (x *trial) load(n int) *clients {
	c := &clients{x: x, stop: make(chan struct{}), oldest: 1, served: map[int]int{}}
	for i := range n {
		query := fmt.Sprintf("sleep=%d", i%4)
		c.all.Go(func() { c.ask(query) })
	}
	return c
}

func (c *clients) ask(query string) {
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	for {
		select {
		case <-c.stop:
			return
		default:
		}
		c.mu.Lock()
		oldest := c.oldest
		c.mu.Unlock()
		res, err := client.Get(c.x.srv.URL + "/shop.so?" + query)
		got := c.x.answer(res, err)
		var status, version int
		if _, err := fmt.Sscanf(got, "%d %d", &status, &version); err != nil || status != 200 || version < oldest {
			c.x.t.Errorf("answered %q, want a version from %d on", got, oldest)
			return
		}
		c.mu.Lock()
		c.served[version]++
		c.mu.Unlock()
	}
}

// committed is called after a commit: from now on no older version may answer.
func (c *clients) committed(version int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.oldest = version
}

// until waits until so many requests were answered by a version.
func (c *clients) until(version, n int) {
	c.x.t.Helper()
	testwait.Until(c.x.t, fmt.Sprintf("%d answers of version %d", n, version), func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.served[version] >= n || c.x.t.Failed()
	})
}

func (c *clients) end() {
	close(c.stop)
	c.all.Wait()
}
