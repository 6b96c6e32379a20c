package inprocess_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/executor/replacetest"
	"github.com/isapid/isapid/internal/inprocess"
	"github.com/isapid/isapid/internal/testext"
)

// trial is an image in this process, in version 1.
type trial struct {
	*inprocess.Image
	t   testing.TB
	dir string
}

func start(t testing.TB, o executor.Options, l inprocess.Limits) *trial {
	t.Helper()
	x := &trial{t: t, dir: t.TempDir()}
	x.write("life", "")
	x.write("go", "")
	if o.Version.File == "" {
		o.Version = replacetest.Version(t, 1)
	}
	o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	var err error
	if x.Image, err = inprocess.Open(filepath.Join(x.dir, "shop.so"), o, l); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		x.write("go", "x")
		if err := x.Close(context.Background()); err != nil && !errors.Is(err, executor.ErrClosed) {
			t.Error(err)
		}
	})
	return x
}

func (x *trial) write(name, content string) {
	x.t.Helper()
	if err := os.WriteFile(filepath.Join(x.dir, name), []byte(content), 0o600); err != nil {
		x.t.Fatal(err)
	}
}

// get asks, and answers the status and the body.
func (x *trial) get(query string) string {
	w := httptest.NewRecorder()
	x.Execute(w, httptest.NewRequest("GET", "/shop.so?"+query, nil), &executor.Target{})
	return fmt.Sprint(w.Code, " ", strings.TrimSpace(w.Body.String()))
}

// later asks in the background, and returns when so many requests wait inside the version.
func (x *trial) later(query string, version, inside int) <-chan string {
	x.t.Helper()
	got := make(chan string, 1)
	go func() { got <- x.get(query) }()
	x.happens(fmt.Sprintf("waiting %d", version), inside)
	return got
}

// happens waits until an event has happened so often.
func (x *trial) happens(event string, times int) {
	x.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		b, err := os.ReadFile(filepath.Join(x.dir, "life"))
		if err != nil {
			x.t.Fatal(err)
		}
		if strings.Count("\n"+string(b), "\n"+event+" ") >= times {
			return
		}
		if time.Now().After(end) {
			x.t.Fatalf("waited 30 s in vain for: %s", event)
		}
	}
}

func (x *trial) replace(v executor.Version, how executor.Replacing) executor.Replacement {
	x.t.Helper()
	r, err := x.Replace(context.Background(), v, how)
	if err != nil {
		x.t.Fatal(err)
	}
	return r
}

func (x *trial) settle(r executor.Replacement) {
	x.t.Helper()
	if err := r.Settle(context.Background()); err != nil {
		x.t.Error(err)
	}
}

var now, cancelled = func() (context.Context, error) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx, ctx.Err()
}()

// names fails unless an error names the request that hangs: what it is, since when, from whom.
func names(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Error("no error; want one that names the request")
		return
	}
	for _, want := range []string{"version 1 stays loaded: 1 requests are still inside it (GET /shop.so?wait (for ", "from 192.0.2.1:1234"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
}

// TestHanging: who keeps a version from ending is named; it serves on when it had to end first.
func TestHanging(t *testing.T) {
	v2 := replacetest.Version(t, 2)
	t.Run("overlap", func(t *testing.T) {
		x := start(t, executor.Options{}, limits)
		hanging := x.later("wait", 1, 1)
		r := x.replace(v2, executor.Replacing{})
		r.Commit()
		err := r.Settle(now)
		names(t, err)
		if !errors.Is(err, cancelled) {
			t.Error(err)
		}
		names(t, x.Close(now))
		x.write("go", "x")
		if got := <-hanging; got != "200 1" {
			t.Errorf("the request: %q", got)
		}
		x.settle(r)
	})
	t.Run("hold", func(t *testing.T) {
		x := start(t, executor.Options{}, inprocess.Limits{End: 50 * time.Millisecond})
		hanging := x.later("wait", 1, 1)
		_, err := x.Replace(context.Background(), v2, executor.Replacing{Hold: true})
		names(t, err)
		if err != nil && !strings.Contains(err.Error(), "it did not end within 50ms") {
			t.Error(err)
		}
		if got := x.get(""); got != "200 1" {
			t.Errorf("the old version: %q", got)
		}
		x.write("go", "x")
		if got := <-hanging; got != "200 1" {
			t.Errorf("the request: %q", got)
		}
	})
	t.Run("hold, taken back", func(t *testing.T) {
		x := start(t, executor.Options{}, limits)
		r := x.replace(v2, executor.Replacing{Hold: true})
		r.Commit()
		hanging := x.later("wait", 2, 1)
		if err := r.Revert(now); err == nil || !strings.Contains(err.Error(), "version 2 stays loaded: 1 requests are still inside it") {
			t.Errorf("taken back: %v", err)
		}
		held := make(chan string, 1)
		go func() { held <- x.get("") }()
		x.write("go", "x")
		if got := <-hanging; got != "200 2" {
			t.Errorf("the request: %q", got)
		}
		if got := <-held; got != "200 1" {
			t.Errorf("a request that waited: %q", got)
		}
		if err := r.Revert(context.Background()); err != nil {
			t.Errorf("taken back at last: %v", err)
		}
	})
}

// TestHangingLoad: a version that does not come up in time is given up. What comes of it later ends.
func TestHangingLoad(t *testing.T) {
	v2 := replacetest.Version(t, 2, "-DHANG")
	for _, how := range []executor.Replacing{{}, {Hold: true}} {
		x := start(t, executor.Options{}, inprocess.Limits{Load: time.Second})
		if _, err := x.Replace(context.Background(), v2, how); err == nil || !strings.Contains(err.Error(), "it was not loaded within 1s") {
			t.Errorf("%+v: %v", how, err)
		}
		if got := x.get(""); got != "200 1" {
			t.Errorf("%+v: %q", how, got)
		}
		if err := x.Close(now); err == nil || !strings.Contains(err.Error(), "extension \"shop.so\": ") {
			t.Errorf("%+v: closed while it loads: %v", how, err)
		}
		x.write("go", "x")
		if err := x.Close(context.Background()); err != nil {
			t.Errorf("%+v: %v", how, err)
		}
		x.happens("unloaded 2", 1)
	}
}

// TestDraining: a third version waits while two earlier ones still have requests.
func TestDraining(t *testing.T) {
	x := start(t, executor.Options{}, limits)
	var hanging []<-chan string
	for n := 2; n <= 3; n++ {
		hanging = append(hanging, x.later("wait", n-1, 1))
		r := x.replace(replacetest.Version(t, n), executor.Replacing{})
		r.Commit()
		if err := r.Settle(now); !errors.Is(err, cancelled) {
			t.Error(err)
		}
	}
	v4 := replacetest.Version(t, 4)
	soon, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := x.Replace(soon, v4, executor.Replacing{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with two that drain: %v", err)
	}
	done := make(chan executor.Replacement)
	go func() { done <- x.replace(v4, executor.Replacing{}) }()
	x.write("go", "x")
	for n, c := range hanging {
		if got, want := <-c, fmt.Sprint("200 ", n+1); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	r := <-done
	r.Commit()
	if got := x.get(""); got != "200 4" {
		t.Error(got)
	}
	x.settle(r)
}

// TestLostVersion: when neither version can be loaded requests are told so, until another one is there.
func TestLostVersion(t *testing.T) {
	v1 := replacetest.Version(t, 1)
	b, err := os.ReadFile(v1.File)
	if err != nil {
		t.Fatal(err)
	}
	v1.File = filepath.Join(t.TempDir(), "v1")
	if err := os.WriteFile(v1.File, b, 0o600); err != nil {
		t.Fatal(err)
	}
	x := start(t, executor.Options{Version: v1}, limits)
	if err := os.Remove(v1.File); err != nil {
		t.Fatal(err)
	}
	_, err = x.Replace(context.Background(), replacetest.Version(t, 2, "-DREFUSE"), executor.Replacing{Hold: true})
	for _, want := range []string{"GetExtensionVersion returned FALSE", "the old version cannot be loaded again", strconv.Quote(v1.File)} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
	if got := x.get(""); got != "500 Internal Server Error" {
		t.Errorf("without a version: %q", got)
	}
	for n := 2; n <= 3; n++ {
		r := x.replace(replacetest.Version(t, n), executor.Replacing{Hold: n == 2})
		r.Share(0.5)
		if n == 2 {
			if got := r.Progress().OldInside; got != 0 {
				t.Error(got)
			}
		}
		r.Commit()
		if got, want := x.get(""), fmt.Sprint("200 ", n); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		x.settle(r)
	}
}

// TestFaultPolicies: each version has faults of its own; what is counted, is counted of all.
func TestFaultPolicies(t *testing.T) {
	told := 0
	x := start(t, executor.Options{OnFault: executor.FaultRefuse, Faulted: func(error) { told++ }}, limits)
	if got := x.get("crash=1"); !strings.HasPrefix(got, "500") {
		t.Errorf("a crash: %q", got)
	}
	if got := x.get(""); !strings.HasPrefix(got, "500") {
		t.Errorf("after a crash: %q", got)
	}
	r := x.replace(replacetest.Version(t, 2), executor.Replacing{})
	r.Commit()
	if got := x.get(""); got != "200 2" {
		t.Errorf("the next version: %q", got)
	}
	x.settle(r)
	if got := x.get("crash=2"); !strings.HasPrefix(got, "500") {
		t.Errorf("a crash: %q", got)
	}
	if p := r.Progress(); p.Down == "" || p.Old.Crashes != 1 || p.New.Crashes != 1 || p.Old.Requests != 1 || p.Lost != 1 {
		t.Errorf("progress %+v", p)
	}
	if x.Faults() != 2 || told != 2 {
		t.Errorf("%d faults, told of %d; want 2", x.Faults(), told)
	}
}

// TestStuck: versions that cannot be unloaded are counted; one that would work with the data of another is refused.
func TestStuck(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a DLL has no symbols that are unique in a process")
	}
	v1 := executor.Version{File: testext.Fixture(t, "version_unique", "-DVERSION=1", "-fgnu-unique")}
	x := start(t, executor.Options{Version: v1}, limits)
	_, err := x.Replace(context.Background(), executor.Version{File: testext.Fixture(t, "version_unique", "-DVERSION=2", "-fgnu-unique")}, executor.Replacing{})
	if err == nil || !strings.Contains(err.Error(), "is unique in a process") {
		t.Errorf("the second version: %v", err)
	}
	if got := x.get(""); got != "200 1" {
		t.Error(got)
	}
	r := x.replace(replacetest.Version(t, 3), executor.Replacing{})
	r.Commit()
	x.settle(r)
	if x.Stuck() != 1 {
		t.Errorf("%d versions are stuck, want 1", x.Stuck())
	}
	if v := replacetest.Version(t, 3); x.Version().SHA256 != v.SHA256 || x.Version().Size != v.Size {
		t.Errorf("runs %+v, want %+v", x.Version(), v)
	}
}
