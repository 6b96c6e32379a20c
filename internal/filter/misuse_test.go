//go:build linux && cgo

package filter_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/misuse"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/trace"
)

func TestMisuse(t *testing.T) {
	var mu sync.Mutex
	var all []executor.Finding
	take := func() []executor.Finding {
		mu.Lock()
		defer mu.Unlock()
		list := all
		all = nil
		return list
	}
	const number = 9001
	watch := misuse.New(misuse.Of{Image: "misuse", Number: number, Checks: executor.ChecksSampled, Found: func(f executor.Finding) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, f)
	}})
	defer watch.Close()
	for _, c := range []struct {
		query string
		kind  executor.FindingKind
		call  string // with a stack that begins with a function of that name:
		from  string
	}{
		{"ended", executor.UsedAfterEnd, "GetServerVariable", "call_back"},
		{"unknown", executor.UnknownConnID, "GetServerVariable", "call_back"},
		{"outside", executor.OutsideNotify, "GetServerVariable", "call_back"},
		{"size", executor.WrongSize, "WriteClient", "write_n"},
		{"pointer", executor.WrongSize, "GetHeader", "get"},
		{"alloc", executor.WrongSize, "AllocMem", "alloc"},
		{"set", executor.HeaderInjection, "SetHeader", "set"},
		{"add", executor.HeaderInjection, "AddResponseHeaders", "add"},
		{"head", executor.HeaderInjection, "SF_REQ_SEND_RESPONSE_HEADER", "head"},
		{"context", executor.ContextOverwritten, "HttpFilterProc(SF_NOTIFY_PREPROC_HEADERS)", ""},
	} {
		t.Run(c.query, func(t *testing.T) {
			s := start(t)
			chain := []filter.Member{{Filter: s.load(testext.Fixture(t, "misuse_filter"), func(conf *filter.Config) {
				conf.Watch, conf.Image = watch, &trace.Image{Number: number, Path: "misuse"}
			})}}
			over := make(chan struct{}, 1)
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				filter.Serve(w, r, nil, chain, s.host, &client{}, slog.New(slog.DiscardHandler)) // a connection of its own, that ends with it
				over <- struct{}{}
			}))
			defer srv.Close()
			ask := func(queries ...string) []executor.Finding {
				for _, q := range queries {
					res, err := srv.Client().Get(srv.URL + "/file/page.txt?" + q)
					<-over
					if err != nil || res.StatusCode != http.StatusOK {
						t.Fatalf("answered %v, %v", res, err)
					}
					res.Body.Close()
				}
				return take()
			}
			got := ask("keep", c.query)
			if len(got) != 1 || got[0].Kind != c.kind || got[0].Call != c.call || got[0].Image != "misuse" {
				t.Fatalf("found %+v, want one %s in %s", got, c.kind, c.call)
			}
			f := got[0]
			if c.from == "" && len(f.Stack) > 0 || c.from != "" && (len(f.Stack) == 0 || !strings.HasPrefix(f.Stack[0], c.from+"+")) {
				t.Errorf("the stack is %q, want one that begins with %q", f.Stack, c.from)
			}
			if got := ask(c.query + "-ok"); len(got) > 0 {
				t.Errorf("its proper counterpart was found to be wrong: %+v", got)
			}
		})
	}
}
