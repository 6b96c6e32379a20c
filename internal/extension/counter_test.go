//go:build linux && cgo

package extension_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/testext"
)

// counterServer is a server with the fixture counter behind it, and what that has counted.
type counterServer struct {
	srv *httptest.Server

	mu  sync.Mutex
	all []string
}

func newCounterServer(t *testing.T, kept bool) *counterServer {
	t.Helper()
	c := &counterServer{}
	o := executor.Options{Logger: slog.New(slog.DiscardHandler)}
	if kept {
		o.Count = func(name string, labels []string, delta float64) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.all = append(c.all, fmt.Sprintf("%s%v%v", name, labels, delta))
		}
	}
	e, err := extension.Open(testext.Fixture(t, "counter"), o)
	if err != nil {
		t.Fatal(err)
	}
	app := &executor.App{SiteID: 1, Path: "/"}
	c.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.Execute(w, r, &executor.Target{ScriptName: r.URL.Path, App: app})
	}))
	t.Cleanup(func() {
		c.srv.Close()
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// ask answers the error that a call left, and what was counted.
func (c *counterServer) ask(t *testing.T, query string) (code string, counted []string) {
	t.Helper()
	res, err := c.srv.Client().Get(c.srv.URL + "/x.dll?" + query)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	counted, c.all = c.all, nil
	return string(body), counted
}

func TestCounter(t *testing.T) {
	c := newCounterServer(t, true)
	long := func(n int) string { return strings.Repeat("a", n) }
	for _, tt := range []struct{ query, code, counted string }{
		{"name=orders", "0", "orders[]1"},
		{"name=orders&delta=2.5", "0", "orders[]2.5"},
		{"name=orders&delta=0", "0", "orders[]0"},
		{"name=sold&label=to&value=caf%c3%a9%20%22x%22&label=by&value=", "0", `sold[by  to café "x"]1`},
		{"name=sold&label=by&value=a&label=to&value=b", "0", "sold[by a to b]1"}, // in any order
		{"name=four&label=a&value=1&label=b&value=2&label=c&value=3&label=d&value=4", "0", "four[a 1 b 2 c 3 d 4]1"},
		{"name=" + long(64), "0", long(64) + "[]1"},
		{"name=value&label=a&value=" + long(128), "0", "value[a " + long(128) + "]1"},

		{"name=orders&delta=-1", "87", ""},
		{"name=orders&delta=nan", "87", ""},
		{"name=orders&delta=inf", "87", ""},
		{"name=", "87", ""},
		{"delta=1", "87", ""},
		{"name=Orders", "87", ""},
		{"name=1st", "87", ""},
		{"name=_x", "87", ""},
		{"name=a-b", "87", ""},
		{"name=a%0ab", "87", ""},
		{"name=" + long(65), "87", ""},
		{"name=sold", "87", ""}, // it had labels before
		{"name=sold&label=by&value=a", "87", ""},
		{"name=orders&label=by&value=a", "87", ""},
		{"name=other&label=By&value=a", "87", ""},
		{"name=other&label=image&value=a", "87", ""}, // that is the server's
		{"name=other&label=a&value=%01", "87", ""},
		{"name=other&label=a&value=%ff", "87", ""},
		{"name=other&label=a&value=" + long(129), "87", ""},
		{"name=other&label=" + long(33) + "&value=a", "87", ""},
		{"name=other&label=a&value=1&label=a&value=2", "87", ""},
		{"name=five&label=a&value=1&label=b&value=2&label=c&value=3&label=d&value=4&label=e&value=5", "87", ""},
		{"name=x&bad=name", "87", ""},
		{"name=x&bad=labels", "87", ""},
		{"name=x&bad=count", "87", ""},
		{"name=x&bad=all", "87", ""},
	} {
		code, counted := c.ask(t, tt.query)
		if code != tt.code || strings.Join(counted, " ") != tt.counted {
			t.Errorf("%s: error %s, counted %q, want %s and %q", clip(tt.query), code, counted, tt.code, tt.counted)
		}
	}
}

func clip(s string) string { return s[:min(len(s), 60)] }

func TestCounterLimits(t *testing.T) {
	c := newCounterServer(t, true)
	code, counted := c.ask(t, "name=n&times=101")
	if code != "8" || len(counted) != 100 || !slices.Contains(counted, "n100[]1") {
		t.Errorf("101 names: error %s, counted %d, want 8 and 100", code, len(counted))
	}
	code, counted = c.ask(t, "name=n100")
	if code != "0" || len(counted) != 1 {
		t.Errorf("a name that was there already: error %s, counted %q", code, counted)
	}
	c = newCounterServer(t, true)
	code, counted = c.ask(t, "name=n&label=a&value=x&by=value&times=1001")
	if code != "8" || len(counted) != 1000 {
		t.Errorf("1001 values of a label: error %s, counted %d, want 8 and 1000", code, len(counted))
	}
	code, counted = newCounterServer(t, false).ask(t, "name=n")
	if code != "50" || len(counted) != 0 {
		t.Errorf("where nobody keeps metrics: error %s, counted %q, want 50", code, counted)
	}
}
