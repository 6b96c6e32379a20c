package inprocess_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/executor/replacetest"
	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/inprocess"
	"github.com/isapid/isapid/internal/testext"
)

// request is one of a server: it has a context of its own.
func request(t *testing.T) *http.Request {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return httptest.NewRequestWithContext(ctx, "GET", "/page", nil)
}

// held is a request that goes through the filter half of an image.
type held struct {
	*http.Request
	filter *filter.Filter
	*inprocess.Passage
}

func hold(t *testing.T, i *inprocess.Image) held {
	t.Helper()
	r := request(t)
	return again(t, i, r)
}

func again(t *testing.T, i *inprocess.Image, r *http.Request) held {
	t.Helper()
	p := inprocess.Begin(r, time.Now())
	f, err := i.Filter(p)
	if err != nil {
		p.End(nil)
		t.Fatal(err)
	}
	return held{r, f, p}
}

// refused is why a request goes through no version of an image; nil: it could.
func refused(i *inprocess.Image, r *http.Request) error {
	p := inprocess.Begin(r, time.Now())
	defer p.End(nil)
	_, err := i.Filter(p)
	return err
}

// swapver is a version of an image that is a filter only.
func swapver(t *testing.T, n int) executor.Version {
	t.Helper()
	file := testext.Fixture(t, "filter_swapver", fmt.Sprintf("-DVERSION=%d", n))
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return executor.Version{File: file, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(b))}
}

// answers is a server around a filter: everything is answered 204.
type answers struct{ executor.FilterHost }

func (answers) Route(*http.Request) *executor.Route { return &executor.Route{Anonymous: true} }

func (answers) Answer(w http.ResponseWriter, _ *http.Request, _ *executor.Route) executor.Result {
	w.WriteHeader(http.StatusNoContent)
	return executor.Result{Status: http.StatusNoContent}
}

// pass takes a request on a connection through the filter of an image, and answers which versions it saw at its beginning and its end.
func pass(t *testing.T, i *inprocess.Image, c *filter.Connection) string {
	t.Helper()
	h := hold(t, i)
	defer h.End(&executor.Result{Status: 200})
	w := httptest.NewRecorder()
	filter.Serve(w, h.Request, c, []filter.Member{{Filter: h.filter}}, answers{}, nil, slog.New(slog.DiscardHandler))
	return w.Header().Get("X-Begun") + " " + w.Header().Get("X-Filter")
}

// TestReplaceFilterOnly: an image that is a filter only is replaced as any other; what an earlier version kept for a connection that
// stays open ends with that version.
func TestReplaceFilterOnly(t *testing.T) {
	x := start(t, executor.Options{Version: swapver(t, 1), Filter: true}, limits)
	c := filter.NewConnection(false)
	defer c.End()
	for n := 1; n <= 4; n++ {
		if n > 1 {
			r := x.replace(swapver(t, n), executor.Replacing{Hold: n%2 == 0})
			if want := fmt.Sprintf("swapver %d", n); r.Description() != want {
				t.Errorf("description %q, want %q", r.Description(), want)
			}
			r.Commit()
			if got, want := pass(t, x.Image, c), fmt.Sprintf("%d %d", n, n); got != want {
				t.Errorf("after the commit a request went through %q, want %q", got, want)
			}
			x.settle(r)
			if p := r.Progress(); p.New.Requests != 1 || p.Old.Requests != int64(min(n-1, 2)) || p.Lost != 0 {
				t.Errorf("progress %+v", p)
			}
		}
		if got, want := pass(t, x.Image, c), fmt.Sprintf("%d %d", n, n); got != want {
			t.Errorf("a request went through %q, want %q", got, want)
		}
	}
	if err := x.Close(t.Context()); err != nil {
		t.Error(err)
	}
	var why *inprocess.RefusedError
	if err := refused(x.Image, request(t)); !errors.As(err, &why) || why.Status != http.StatusServiceUnavailable {
		t.Errorf("after the end: %v", err)
	}
}

// TestHeldFilter: a request stays with the version whose filter it goes through, and that stays loaded.
func TestHeldFilter(t *testing.T) {
	for _, how := range []executor.Replacing{{}, {Hold: true}} {
		t.Run(fmt.Sprint("hold ", how.Hold), func(t *testing.T) {
			x := start(t, executor.Options{Version: replacetest.Version(t, 1, "-DFILTER"), Filter: true}, limits)
			h := hold(t, x.Image)
			v2 := replacetest.Version(t, 2, "-DFILTER")
			ready := make(chan executor.Replacement, 1)
			go func() {
				r, err := x.Replace(t.Context(), v2, how)
				if err != nil {
					t.Error(err)
				}
				ready <- r
			}()
			if how.Hold { // it waits for the request
				for end := time.Now().Add(30 * time.Second); !waits(x.Image); {
					if time.Now().After(end) {
						t.Fatal("waited 30 s in vain for requests to be held")
					}
				}
			} else {
				r := <-ready
				r.Share(1)
				ready <- r
			}
			// Its extension, and a child request, are of the old version.
			w := httptest.NewRecorder()
			x.Execute(w, h.Request, &executor.Target{})
			if got := w.Body.String(); got != "1" {
				t.Errorf("the extension half is of version %q, want 1", got)
			}
			child := again(t, x.Image, h.Clone(h.Context()))
			if child.filter != h.filter {
				t.Error("a child request goes through another version")
			}
			child.End(&executor.Result{Status: 200})
			if !how.Hold {
				r := <-ready
				r.Commit()
				x.Execute(httptest.NewRecorder(), h.Request, &executor.Target{})
				err := r.Settle(now)
				if err == nil || !strings.Contains(err.Error(), "version 1 stays loaded: 1 requests are still inside it (GET /page (for ") {
					t.Errorf("settled with a request inside: %v", err)
				}
				ready <- r
			}
			h.End(&executor.Result{Status: 200})
			r := <-ready
			r.Commit()
			x.settle(r)
			next := hold(t, x.Image)
			if next.filter == h.filter {
				t.Error("the next request goes through the old version")
			}
			next.End(&executor.Result{Status: 200})
		})
	}
}

// waits says whether a request would have to wait for a version now.
func waits(i *inprocess.Image) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	return refused(i, httptest.NewRequestWithContext(ctx, "GET", "/", nil)) != nil
}

// TestFilterRefused: which requests go through no filter, and why.
func TestFilterRefused(t *testing.T) {
	x := start(t, executor.Options{}, limits)
	if err := refused(x.Image, request(t)); !errors.Is(err, inprocess.ErrNoFilter) {
		t.Errorf("an extension only: %v", err)
	}
	y := start(t, executor.Options{Version: replacetest.Version(t, 1, "-DFILTER"), Filter: true, OnFault: executor.FaultRefuse}, limits)
	hold(t, y.Image).End(&executor.Result{Status: 200})
	y.get("crash=1")
	var why *inprocess.RefusedError
	if err := refused(y.Image, request(t)); !errors.As(err, &why) || why.Status != http.StatusInternalServerError {
		t.Errorf("after a fault: %v", err)
	}
	for _, e := range []*inprocess.Image{x.Image, y.Image} { // nobody is left inside
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
