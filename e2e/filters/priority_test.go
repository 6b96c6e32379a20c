package filters

import (
	"slices"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/config"
)

// Two filters change the same things; who is first is a matter of priority, not of configuration.
func TestPriority(t *testing.T) {
	var steps []string
	for _, name := range []string{"low", "high"} {
		steps = append(steps,
			"PREPROC_HEADERS@"+name+"=append:X-Chain:|"+name+"-",
			"AUTH_COMPLETE@"+name+"=append:X-Chain:|"+name+"+",
			"SEND_RESPONSE@"+name+"=append:X-Answer:|"+name+"-",
			"SEND_RESPONSE@"+name+"=set:X-Last:|"+name,
			"LOG@"+name+"=log:target|/"+name)
	}
	steps = append(steps, "URL_MAP@low=path:ROOT/other.txt", "URL_MAP@high=path:ROOT/none.txt",
		"END_OF_REQUEST@low=var:HTTP_X_CHAIN")
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, named("low", "-DORDER=SF_NOTIFY_ORDER_LOW"), named("high", "-DORDER=SF_NOTIFY_ORDER_HIGH"))})
		res := s.get("/page.txt", do(strings.ReplaceAll(strings.Join(steps, ";"), "ROOT", s.dir+"/root")))
		res.want(t, 200, "other\n")
		res.wantHeader(t, "X-Answer", "high-low-")
		res.wantHeader(t, "X-Last", "low")
		s.untilTrace("var HTTP_X_CHAIN high-low-high+low+", 1)
		if log := s.accessLog(1); log[0]["url"] != "/low" {
			t.Errorf("logged as %v", log[0])
		}
		s.untilTrace("END_OF_NET_SESSION", 2)
		var names []string
		for _, line := range s.trace() {
			name, event, _ := strings.Cut(line, "#1 ")
			if !strings.HasPrefix(event, "var") {
				names = append(names, name)
			}
		}
		for pair := range slices.Chunk(names[:len(names)-2], 2) { // the end of the connection has no order
			if !slices.Equal(pair, []string{"high", "low"}) {
				t.Fatalf("the order is %q", names)
			}
		}
	})
}

// Global filters come before those of the site and of the application; in each of these two parts the priority counts, and then the
// configuration.
func TestPlaces(t *testing.T) {
	const only = "-DEVENTS=SF_NOTIFY_PREPROC_HEADERS"
	order := func(bits string) string { return "-DORDER=" + bits }
	each(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{
			mode:   mode,
			app:    filters(t, mode, named("app1", only), named("app-high", only, order("SF_NOTIFY_ORDER_HIGH")), named("app2", only, order("0"))),
			site:   filters(t, mode, named("site1", only), named("site-medium", only, order("SF_NOTIFY_ORDER_MEDIUM")), named("site-high", only, order("SF_NOTIFY_ORDER_HIGH"))),
			global: filters(t, mode, named("global1", only), named("global2", only), named("global-high", only, order("SF_NOTIFY_ORDER_HIGH"))),
		})
		s.get("/page.txt").want(t, 200, "hello\n")
		var names []string
		for _, line := range s.trace() {
			name, _, _ := strings.Cut(line, "#")
			names = append(names, name)
		}
		want := []string{"global-high", "global1", "global2", "site-high", "app-high", "site-medium", "site1", "app1", "app2"}
		if !slices.Equal(names, want) {
			t.Errorf("the order is %q, want %q", names, want)
		}
	})
}

// HANDLED keeps an event from the filters that come later, and only this event.
func TestHandled(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, named("a"), named("b"))})
		s.get("/page.txt", do("PREPROC_HEADERS@a=handled; LOG@a=handled; SEND_RESPONSE@a=handled")).want(t, 200, "hello\n")
		var seen []string
		for _, line := range s.untilTrace("END_OF_NET_SESSION", 2) {
			if rest, ok := strings.CutPrefix(line, "b#1 "); ok {
				event, _, _ := strings.Cut(rest, " ")
				seen = append(seen, event)
			}
		}
		want := []string{"URL_MAP", "AUTHENTICATION", "AUTH_COMPLETE", "END_OF_REQUEST", "END_OF_NET_SESSION"}
		if !slices.Equal(seen, want) {
			t.Errorf("the second filter saw %q, want %q", seen, want)
		}
	})
}

// A filter sees only the port it registered for.
func TestPorts(t *testing.T) {
	const only = "-DEVENTS=SF_NOTIFY_PREPROC_HEADERS"
	each(t, func(t *testing.T, mode config.PoolMode) {
		for _, secure := range []bool{false, true} {
			s := start(t, layout{mode: mode, tls: secure, app: filters(t, mode,
				named("secure", only, "-DPORTS=SF_NOTIFY_SECURE_PORT"), named("plain", only, "-DPORTS=SF_NOTIFY_NONSECURE_PORT"),
				named("none", only, "-DPORTS=0"), named("both", only))})
			s.get("/page.txt").want(t, 200, "hello\n")
			got := strings.Join(s.trace(), ", ")
			want := map[bool]string{
				false: "plain#1 PREPROC_HEADERS GET /page.txt, none#1 PREPROC_HEADERS GET /page.txt, both#1 PREPROC_HEADERS GET /page.txt",
				true:  "secure#1 PREPROC_HEADERS GET /page.txt, none#1 PREPROC_HEADERS GET /page.txt, both#1 PREPROC_HEADERS GET /page.txt",
			}[secure]
			if got != want {
				t.Errorf("secure=%v: got %s, want %s", secure, got, want)
			}
			s.stop()
		}
	})
}
