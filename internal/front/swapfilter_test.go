package front

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/testext"
)

// filterVersion is a build of the filter swapver.
func filterVersion(t *testing.T, n int, flags ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(testext.Fixture(t, "filter_swapver", append([]string{fmt.Sprintf("-DVERSION=%d", n)}, flags...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tinyFilter is a filter that registers for some events, and returns one status.
func tinyFilter(t *testing.T, flags, status string) []byte {
	t.Helper()
	b, err := os.ReadFile(testext.Source(t, `#include <httpfilt.h>
BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *v) { v->dwFlags = `+flags+`; return TRUE; }
DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD event, VOID *data)
{
    (void)c; (void)event; (void)data;
    SetLastError(31);
    return `+status+`;
}
`))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// swapped asks and answers which version of the filter the response, and the request, went through.
func (x *changing) swapped(path string) (status int, versions string) {
	x.Helper()
	resp, err := http.Get(x.URLs()[0] + path)
	if err != nil {
		x.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("X-Begun") + " " + resp.Header.Get("X-Filter")
}

// TestSwapFilter: a filter is replaced under load as an extension is: no request is lost or goes through two versions, a version that
// fails its probe or wants what it cannot have never serves, one that answers errors is taken back.
func TestSwapFilter(t *testing.T) {
	modes(t, func(t *testing.T, mode config.PoolMode) {
		x := newEdge(t, func(x *changing, c *config.Config) {
			p := defaultPool(c)
			p.Mode = mode
			p.Update.Verify = &config.Verify{Path: "/", Status: 200, Timeout: 20 * time.Second}
			x.put("filter.so", filterVersion(t, 1))
			c.Filters = []string{x.path("filter.so")}
			c.Sites[0].Applications[0].Authentication = config.Authentication{Basic: &config.Basic{Realm: "shop"}}
		})
		deploy := func(b []byte) swap.Receipt {
			t.Helper()
			x.put("upload", b)
			r, err := x.control.Deploy(t.Context(), x.path("filter.so"), "a test", true, x.path("upload"), func(swap.Step) {})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		serves := func(n int) {
			t.Helper()
			if status, got := x.swapped(""); status != 200 || got != fmt.Sprint(n, " ", n) {
				t.Errorf("%d by versions %q, want %d\n%s", status, got, n, x.log)
			}
		}
		serves(1)
		stop := x.load(4)
		for n := 2; n <= 4; n++ {
			if r := deploy(filterVersion(t, n)); r.Outcome != swap.Committed || r.Verified == nil {
				t.Errorf("version %d: %+v", n, r)
			}
			serves(n)
		}
		refused := map[string][]byte{
			"no filter":      version(t, 2),
			"errors for all": tinyFilter(t, "SF_NOTIFY_PREPROC_HEADERS", "SF_STATUS_REQ_ERROR"),
		}
		if mode == config.ModeIsolated { // in the server itself it could have them
			refused["raw data"] = tinyFilter(t, "SF_NOTIFY_READ_RAW_DATA", "SF_STATUS_REQ_NEXT_NOTIFICATION")
		}
		for what, b := range refused {
			if r := deploy(b); r.Outcome != swap.Rejected {
				t.Errorf("%s: %+v", what, r)
			}
			serves(4)
		}
		if failed, all := stop(); failed > 0 || all == 0 {
			t.Errorf("%d of %d requests failed", failed, all)
		}
		if strings.Contains(x.log.String(), "panic") {
			t.Error(x.log)
		}
	})
}
