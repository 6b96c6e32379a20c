package metrics

import (
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/trace"
)

var began = time.Unix(1_800_000_000, 0)

func status() admin.Status { return admin.Status{Started: began} }

// scrape is what Prometheus would get, by name and labels.
func scrape(t *testing.T, m *Metrics, from Sources) map[string]string {
	t.Helper()
	if from.Status == nil {
		from.Status = status
	}
	return read(t, text(t, m, from))
}

func text(t *testing.T, m *Metrics, from Sources) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler(from).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func read(t *testing.T, text string) map[string]string {
	t.Helper()
	values := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			if _, twice := values[line[:at]]; twice {
				t.Errorf("%s is there twice", line[:at])
			}
			values[line[:at]] = line[at+1:]
		}
	}
	return values
}

func expect(t *testing.T, got, want map[string]string) {
	t.Helper()
	for k, v := range want {
		g, there := got[k]
		if v == "" && there {
			t.Errorf("%s is %s, and should not be there", k, g)
		} else if g != v {
			t.Errorf("%s is %q, want %s", k, g, v)
		}
	}
}

func TestRequests(t *testing.T) {
	m := New([]time.Duration{10 * time.Millisecond, 100 * time.Millisecond})
	p := &executor.Place{Pool: "legacy", Image: "/srv/p.so", Generation: 3}
	for _, f := range []Facts{
		{Status: 200, Took: time.Millisecond, Received: 10, Sent: 1000},
		{Status: 204, Took: 10 * time.Millisecond, Received: 10, Sent: 100},
		{Status: 503, Took: 50 * time.Millisecond, Runs: 3},
		{Status: 200, Took: 2 * time.Second, Broken: true},
		{Status: 0, Took: -1, Gone: true},
		{Status: 999}, {Status: -5},
	} {
		f.Site, f.Application, f.Place = "shop", "/", p
		if f.Runs == 0 {
			f.Runs = 1
		}
		m.Ended(&f)
	}
	m.Ended(&Facts{Site: "shop", Application: "/", Status: 304}) // a file
	m.Ended(&Facts{Status: 400, Sent: -1})                       // no site
	m.Ended(&Facts{Site: "shop", Application: "/", Pool: "legacy", Image: "/srv/p.so", Status: 503})
	of := func(name, more string) string {
		return fmt.Sprintf(`%s{application="/",generation="3",image="/srv/p.so",%spool="legacy",site="shop"%s}`, name, "", more)
	}
	expect(t, scrape(t, m, Sources{}), map[string]string{
		of("isapid_requests_total", `,status="2xx"`):  "3",
		of("isapid_requests_total", `,status="5xx"`):  "2",
		of("isapid_requests_total", `,status="none"`): "2",
		of("isapid_requests_total", `,status="4xx"`):  "",
		of("isapid_request_received_bytes_total", ""): "20",
		of("isapid_response_sent_bytes_total", ""):    "1100",
		of("isapid_request_retries_total", ""):        "2",
		of("isapid_responses_broken_total", ""):       "1",
		of("isapid_requests_abandoned_total", ""):     "1",
		`isapid_request_duration_seconds_bucket{application="/",generation="3",image="/srv/p.so",pool="legacy",site="shop",le="0.01"}`: "5",
		`isapid_request_duration_seconds_bucket{application="/",generation="3",image="/srv/p.so",pool="legacy",site="shop",le="0.1"}`:  "6",
		`isapid_request_duration_seconds_bucket{application="/",generation="3",image="/srv/p.so",pool="legacy",site="shop",le="+Inf"}`: "7",
		of("isapid_request_duration_seconds_count", ""):                                                                 "7",
		of("isapid_request_duration_seconds_sum", ""):                                                                   "2.061",
		`isapid_requests_total{application="/",generation="",image="",pool="",site="shop",status="3xx"}`:                "1",
		`isapid_requests_total{application="",generation="",image="",pool="",site="",status="4xx"}`:                     "1",
		`isapid_requests_total{application="/",generation="",image="/srv/p.so",pool="legacy",site="shop",status="5xx"}`: "1",
	})
}

// TestGenerations: only the last three are told, and one that ends late does not come back.
func TestGenerations(t *testing.T) {
	m := New(nil)
	var places []*executor.Place
	for g := range 6 {
		places = append(places, &executor.Place{Pool: "p", Image: "i", Generation: g + 1})
		m.Ended(&Facts{Site: "s", Application: "/", Place: places[g], Status: 200})
	}
	m.Ended(&Facts{Site: "s", Application: "/", Place: places[0], Status: 200})
	m.Ended(&Facts{Site: "s", Application: "/late", Place: places[1], Status: 200})
	m.Ended(&Facts{Site: "s", Application: "/", Place: places[4], Status: 200})
	m.Ended(&Facts{Site: "s", Application: "/", Place: &executor.Place{Pool: "p", Image: "another", Generation: 1}, Status: 200})
	var told []string
	for k, v := range scrape(t, m, Sources{}) {
		if strings.HasPrefix(k, "isapid_requests_total") {
			told = append(told, regexp.MustCompile(`generation="(\d)",image="(\w+)"`).FindString(k)+v)
		}
	}
	want := map[string]bool{
		`generation="4",image="i"1`: true, `generation="5",image="i"2`: true, `generation="6",image="i"1`: true, `generation="1",image="another"1`: true,
	}
	for _, x := range told {
		if !want[x] {
			t.Errorf("%s is told", x)
		}
	}
	if len(told) != len(want) {
		t.Errorf("told: %v", told)
	}
}

// TestHostileNames: images that URLs name cannot make more series than there may be, nor break the format.
func TestHostileNames(t *testing.T) {
	m := New(nil)
	const n = 3 * mostSeries
	for i := range n {
		m.Ended(&Facts{Site: "s", Application: "/", Pool: "p", Image: fmt.Sprintf("/x%d\xff\n\"", i), Status: 404})
	}
	m.Ended(&Facts{Site: "s", Application: "/", Pool: "p", Image: strings.Repeat("ä", 5000), Status: 404})
	m.Ended(&Facts{Site: "s", Application: "/", Place: &executor.Place{Pool: "p", Image: "real", Generation: 1}, Status: 200})
	got := scrape(t, m, Sources{})
	series := 0
	for k := range got {
		if strings.HasPrefix(k, "isapid_requests_total") {
			series++
		}
	}
	if series > mostUnrun+2 {
		t.Errorf("%d series", series)
	}
	expect(t, got, map[string]string{
		`isapid_requests_total{application="/",generation="",image="other",pool="p",site="s",status="4xx"}`: fmt.Sprint(n + 1 - mostUnrun),
		`isapid_requests_total{application="/",generation="1",image="real",pool="p",site="s",status="2xx"}`: "1",
	})
	for i := range n {
		m.Ended(&Facts{Site: "s", Application: "/", Place: &executor.Place{Pool: "p", Image: fmt.Sprint("i", i), Generation: 1}, Status: 200})
	}
	m.requests.mu.Lock()
	defer m.requests.mu.Unlock()
	if len(m.requests.all) > mostSeries+1 {
		t.Errorf("%d series", len(m.requests.all))
	}
}

// TestAtOnce: nothing is lost when many count and look at the same time.
func TestAtOnce(t *testing.T) {
	m := New(nil)
	p := &executor.Place{Pool: "p", Image: "i", Generation: 1}
	h := m.Handler(Sources{Status: func() admin.Status { return admin.Status{} }})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 500 {
				m.Ended(&Facts{Site: "s", Application: fmt.Sprint("/", n%7), Place: p, Status: 200})
				m.Ended(&Facts{Site: "s", Application: fmt.Sprint("/", n%7), Status: 200})
				m.Count("p", "i", "orders", nil, 1)
				if n%100 == i {
					h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
				}
			}
		})
	}
	all.Wait()
	sum := map[string]int{}
	for k, v := range scrape(t, m, Sources{}) {
		name, _, _ := strings.Cut(k, "{")
		var n int
		_, _ = fmt.Sscan(v, &n)
		sum[name] += n
	}
	if sum["isapid_requests_total"] != 8000 || sum["isapid_ext_orders_total"] != 4000 {
		t.Errorf("%d requests, %d orders", sum["isapid_requests_total"], sum["isapid_ext_orders_total"])
	}
}

func TestCalls(t *testing.T) {
	m := New(nil)
	f := func(f trace.Func, code uint32) trace.FuncCode { return trace.FuncCode{Func: f, Code: code} }
	w1, w2 := Process{"p", "p-1", 10}, Process{"p", "p-2", 11}
	boards := map[Process]*trace.Board{
		w1: {
			Calls: map[trace.FuncCode]uint64{
				f(trace.GetServerVariable, 0): 10, f(trace.ServerSupportFunction, uint32(isapi.SendURL)): 2, f(trace.ServerSupportFunction, 7777): 1,
				f(trace.ServerSupportFunction, 8888): 1, f(99, 0): 1, f(50000, 3): 1, f(trace.HttpFilterProc, uint32(isapi.NotifyLog)): 4, f(trace.HttpFilterProc, 0xffff): 4,
			},
			Errors: map[trace.FuncError]uint64{{FuncCode: f(trace.GetServerVariable, 0), Err: 122}: 3, {FuncCode: f(trace.GetServerVariable, 0), Err: 0xdead}: 3},
		},
		w2: {Calls: map[trace.FuncCode]uint64{f(trace.GetServerVariable, 0): 5}},
	}
	c := newCollector(m, Sources{Status: func() admin.Status { return admin.Status{} }, Boards: func(each func(Process, *trace.Board)) {
		for p, b := range boards {
			each(p, b)
		}
	}})
	c.look(began)
	m.Calls(w2, &trace.Board{Calls: map[trace.FuncCode]uint64{f(trace.GetServerVariable, 0): 7}}) // it ends
	delete(boards, w2)
	boards[w1].Calls = map[trace.FuncCode]uint64{f(trace.GetServerVariable, 0): 4} // a lie
	c.look(began.Add(time.Hour))
	c.look(time.Now().Add(time.Hour))
	expect(t, scrape(t, m, Sources{}), map[string]string{
		`isapid_api_calls_total{function="GetServerVariable",pool="p"}`:                "17",
		`isapid_api_calls_total{function="HSE_REQ_SEND_URL",pool="p"}`:                 "2",
		`isapid_api_calls_total{function="ServerSupportFunction",pool="p"}`:            "2",
		`isapid_api_calls_total{function="other",pool="p"}`:                            "1",
		`isapid_api_calls_total{function="HttpFilterProc(SF_NOTIFY_LOG)",pool="p"}`:    "4",
		`isapid_api_calls_total{function="HttpFilterProc",pool="p"}`:                   "4",
		`isapid_api_errors_total{error="122",function="GetServerVariable",pool="p"}`:   "3",
		`isapid_api_errors_total{error="other",function="GetServerVariable",pool="p"}`: "3",
	})
}

func TestPools(t *testing.T) {
	m := New(nil)
	st := admin.Status{Started: began, Pools: []admin.Pool{{Status: pool.Status{
		Name: "p", State: pool.StateDegraded, Generation: 4, Because: "age", Waiting: 7,
		Workers: []pool.WorkerStatus{
			{Name: "p-8", State: "ready", Pid: 88, Generation: 4, CPU: pool.Seconds(1500 * time.Millisecond), Threads: 12, Resident: 1 << 20, Served: 5, InFlight: 2},
			{Name: "p-9", State: "starting", Generation: 4},
		},
		Totals: pool.Totals{Starts: 9, Crashes: 2, Faults: 1, Recycles: 3},
		Deaths: []pool.Death{
			{At: began, How: "signal 11 (SIGSEGV), core dumped", Lost: 2},
			{At: began.Add(1), How: "exit code 0", Expected: true},
			{At: began.Add(2), How: "exit code 3"},
		},
	}}}}
	c := newCollector(m, Sources{Status: func() admin.Status { return st }})
	at := time.Now()
	c.look(at)
	c.look(at.Add(time.Hour)) // nothing new
	p := &st.Pools[0]
	p.Because, p.Totals.Recycles, p.Totals.Crashes = "version 01234567", 5, 13
	p.Deaths = nil
	for i := range 10 {
		p.Deaths = append(p.Deaths, pool.Death{At: began.Add(time.Minute + time.Duration(i)), How: "signal 9 (SIGKILL)", Reason: "killed: it hangs"})
	}
	c.look(at.Add(2 * time.Hour))
	expect(t, scrape(t, m, Sources{Status: func() admin.Status { return st }}), map[string]string{
		`isapid_pool_state{pool="p",state="degraded"}`:                              "1",
		`isapid_pool_state{pool="p",state="running"}`:                               "0",
		`isapid_pool_generation{pool="p"}`:                                          "4",
		`isapid_pool_queue_length{pool="p"}`:                                        "7",
		`isapid_pool_workers{pool="p",state="ready"}`:                               "1",
		`isapid_pool_workers{pool="p",state="starting"}`:                            "1",
		`isapid_pool_workers{pool="p",state="orphan"}`:                              "0",
		`isapid_worker_starts_total{pool="p"}`:                                      "9",
		`isapid_worker_crashes_total{kind="SIGSEGV",pool="p"}`:                      "1",
		`isapid_worker_crashes_total{kind="exit",pool="p"}`:                         "1",
		`isapid_worker_crashes_total{kind="killed",pool="p"}`:                       "10",
		`isapid_worker_crashes_total{kind="unknown",pool="p"}`:                      "1",
		`isapid_requests_lost_total{pool="p"}`:                                      "2",
		`isapid_faults_total{pool="p"}`:                                             "1",
		`isapid_recycles_total{pool="p",reason="age"}`:                              "3",
		`isapid_recycles_total{pool="p",reason="swap"}`:                             "2",
		`isapid_worker_cpu_seconds_total{generation="4",pool="p",worker="p-8"}`:     "1.5",
		`isapid_worker_threads{generation="4",pool="p",worker="p-8"}`:               "12",
		`isapid_worker_requests_in_flight{generation="4",pool="p",worker="p-8"}`:    "2",
		`isapid_worker_cpu_seconds_total{generation="4",pool="p",worker="p-9"}`:     "",
		`isapid_worker_resident_memory_bytes{generation="4",pool="p",worker="p-8"}`: "1.048576e+06",
	})
	st.Pools = nil
	c.look(at.Add(3 * time.Hour))
	if len(m.events.pools) != 0 {
		t.Errorf("a pool that is gone is remembered: %v", m.events.pools)
	}
}

// TestInside: an image that is there twice is told once.
func TestInside(t *testing.T) {
	x := admin.Extension{Image: "i.so", Pool: "p", Generation: 2, SHA256: "ab", Faults: 3}
	expect(t, scrape(t, New(nil), Sources{Status: func() admin.Status { return admin.Status{InProcess: []admin.Extension{x, x}} }}), map[string]string{
		`isapid_in_process_info{generation="2",image="i.so",pool="p",sha256="ab"}`: "1",
		`isapid_in_process_faults_total{image="i.so",pool="p"}`:                    "6",
	})
}

func TestWords(t *testing.T) {
	for how, want := range map[pool.Death]string{
		{How: "signal 6 (SIGABRT)"}:                                         "SIGABRT",
		{How: "signal 9 (SIGKILL), out of memory in its cgroup"}:            "out_of_memory",
		{How: "signal 9 (SIGKILL)", Reason: "killed: requests hang"}:        "killed",
		{How: "signal 9 (SIGKILL)", Reason: "protocol error: frame"}:        "protocol",
		{How: "signal 9 (SIGKILL)", Reason: "disowned: it does not answer"}: "disowned",
		{How: "signal 63"}:   "signal",
		{How: "exit code 1"}: "exit",
		{}:                   "exit",
	} {
		if got := deathKind(&how); got != want {
			t.Errorf("%+v is %s, want %s", how, got, want)
		}
	}
	for because, want := range map[string]string{
		"age": "age", "clock time 03:00:00": "clock", "10000 requests of worker 3": "requests", "900 MiB resident memory of worker 1": "memory",
		"900 MiB private memory of worker 1": "private_memory", "memory growing by 20.0 MiB an hour of worker 1": "memory_growth",
		"other settings": "settings", "version 0123abcd": "swap", "because I say so": "asked", "": "asked",
	} {
		if got := recycleReason(because); got != want {
			t.Errorf("%q is %s, want %s", because, got, want)
		}
	}
}

func TestEvents(t *testing.T) {
	m := New(nil)
	m.Swapped(&swap.Receipt{ID: "1", Image: "i.so", Outcome: swap.Committed, Held: 3})
	m.Swapped(&swap.Receipt{ID: "2", Image: "i.so", Outcome: swap.Committed, Held: 1})
	m.Swapped(&swap.Receipt{ID: "2", Image: "i.so", Outcome: swap.TakenBack, Held: 1, Lost: 1})
	states := []swap.State{{Image: "i.so", Last: &swap.Receipt{ID: "2", Image: "i.so", Held: 1, Lost: 2}}}
	m.events.look(nil, states)
	states[0].Last.ID = "1" // an older one
	m.events.look(nil, states)
	m.Found(&executor.Finding{Image: "i.so", Kind: executor.TwoAsync}, 3)
	m.Count("p", "i.so", "orders", []string{"shop", "north", "kind", "large"}, 2)
	m.Count("p", "i.so", "orders_total", []string{"kind", "large", "shop", "north"}, 0.5)
	for _, bad := range []struct {
		name   string
		labels []string
		delta  float64
	}{
		{"", nil, 1}, {"1x", nil, 1}, {"a b", nil, 1}, {"a{b", nil, 1}, {"_total", nil, 1}, {strings.Repeat("x", 65), nil, 1}, {"é", nil, 1}, {"Orders", nil, 1},
		{"x", nil, -1}, {"x", nil, nan()}, {"x", nil, 1 / zero()},
		{"x", []string{"a"}, 1}, {"x", []string{"pool", "other"}, 1}, {"x", []string{"image", "other"}, 1}, {"x", []string{"__name__", "other"}, 1},
		{"x", []string{"a", "1", "a", "2"}, 1}, {"x", []string{"a", "", "b", "", "c", "", "d", "", "e", ""}, 1}, {"x", []string{"", ""}, 1},
	} {
		m.Count("p", "i.so", bad.name, bad.labels, bad.delta)
	}
	for i := range 2 * ownNames {
		m.Count("q", "i.so", fmt.Sprint("name", i), nil, 1)
	}
	for i := range 2 * ownSeries {
		m.Count("r", "i.so", "name", []string{"client", fmt.Sprint(i)}, 1)
	}
	m.Count("s", "i.so", "name", []string{"client", "\xff\n\"\\"}, 1)
	got := scrape(t, m, Sources{AccessLost: func() int64 { return 5 }, SnoopDropped: func() int64 { return 6 }, Spans: func() Spans { return Spans{7, 8, 9} }})
	expect(t, got, map[string]string{
		`isapid_swaps_total{image="i.so",result="committed"}`:                          "2",
		`isapid_swaps_total{image="i.so",result="taken_back"}`:                         "1",
		`isapid_requests_held_total{image="i.so"}`:                                     "4",
		`isapid_swap_lost_requests_total{image="i.so"}`:                                "2",
		`isapid_misuse_total{image="i.so",kind="two_async"}`:                           "3",
		`isapid_ext_orders_total{image="i.so",kind="large",pool="p",shop="north"}`:     "2.5",
		`isapid_counters_refused_total{pool="p",reason="name"}`:                        "8",
		`isapid_counters_refused_total{pool="p",reason="value"}`:                       "3",
		`isapid_counters_refused_total{pool="p",reason="labels"}`:                      "7",
		`isapid_counters_refused_total{pool="q",reason="too many names"}`:              fmt.Sprint(ownNames),
		`isapid_counters_refused_total{pool="r",reason="too many series"}`:             fmt.Sprint(ownSeries),
		`isapid_ext_name_total{client="` + "\uFFFD" + `\n\"\\",image="i.so",pool="s"}`: "1",
		`isapid_access_log_lost_lines_total`:                                           "5",
		`isapid_snoop_dropped_events_total`:                                            "6",
		`isapid_spans_total{result="sent"}`:                                            "7",
		`isapid_spans_total{result="dropped"}`:                                         "8",
		`isapid_spans_total{result="refused"}`:                                         "9",
		`isapid_config_reload_successful`:                                              "1",
		`isapid_start_time_seconds`:                                                    "1.8e+09",
	})
	for i := range 2 * mostValues {
		m.Found(&executor.Finding{Image: fmt.Sprint(i), Kind: executor.TwoAsync}, 1)
	}
	expect(t, scrape(t, m, Sources{}), map[string]string{`isapid_misuse_total{image="other",kind="other"}`: fmt.Sprint(mostValues + 1)})
}

func zero() float64 { return 0 }
func nan() float64  { return zero() / zero() }
