package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/trace"
)

// serve listens for f until the test ends and returns where, and what was logged by then.
func serve(t *testing.T, f *fake) (socket string, log *bytes.Buffer) {
	t.Helper()
	socket = freePlace(t)
	log = &bytes.Buffer{}
	s, err := Listen(socket, f, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return socket, log
}

func client(t *testing.T, socket string) *Client {
	t.Helper()
	c := NewClient(socket)
	t.Cleanup(c.Close)
	return c
}

// everything is a status without an empty field, so that what is lost on the way shows.
func everything() Status {
	at := time.Date(2026, 11, 21, 3, 0, 0, 123456789, time.UTC)
	return Status{
		Version: "v1.2.3", Pid: 12, State: StateServing, Started: at, Uptime: Seconds(90 * time.Minute), Config: "/etc/isapid.yaml",
		Reload: &LastReload{At: at, Error: "isapid.yaml:1:1: no"}, URLs: []string{"http://localhost:8080/"},
		Process:  Process{CPU: Seconds(2 * time.Second), Threads: 9, Resident: 1 << 20},
		Requests: Requests{Served: 1, Running: 2, Broken: 3, Faults: 4},
		Pools: []Pool{{Of: "legacy", Group: "legacy", Platform: "windows/amd64", Wine: "wine-8.0", Prefix: "/w", Status: pool.Status{
			Name: "legacy", State: pool.StateRunning, Reason: "why", Generation: 3, Because: "age",
			Rollout: &pool.Rollout{Generation: 4, Reason: "asked", Image: "/a.so", Version: "1f2e", Stage: "ready", Canary: 10, Failures: 1, NextTry: &at},
			Workers: []pool.WorkerStatus{{
				Worker: 7, Name: "legacy/7", Generation: 3, Pid: 99, Platform: "windows/amd64", Wine: "8.0", State: "ready", Reason: "r", Age: pool.Seconds(1500 * time.Millisecond), Served: 5, InFlight: 1,
				Resident: 1 << 20, Private: 1 << 19, CPU: pool.Seconds(time.Second), Threads: 3, LastPing: &at, Oldest: "GET /", OldestAge: pool.Seconds(2 * time.Second),
			}},
			Images:  []pool.ImageStatus{{Path: "/a.so", Description: "a", SHA256: "0123", Size: 8, BuildID: "4567", Error: "e"}},
			Waiting: 1, Crashes: 2, NextRetry: &at, NextStart: &at, Totals: pool.Totals{Starts: 1, Crashes: 2, Faults: 3, Recycles: 4},
			Deaths: []pool.Death{{
				Worker: 6, Generation: 2, Pid: 98, At: at, Age: pool.Seconds(time.Hour), How: "signal 11", Reason: "r", Served: 4, Lost: 1, Output: "o", Expected: true, Obituary: "x",
			}},
		}}},
		InProcess: []Extension{{
			Image: "/b.so", Pool: "fast", Description: "b", Filter: true, Generation: 1, SHA256: "ab", Size: 1, BuildID: "c", Requests: 2, Faults: 3,
		}},
		Images: []swap.State{{
			Image: "/a.so", Pools: []string{"legacy"}, Serving: swap.Build{SHA256: "ab", Size: 1, BuildID: "c", Description: "a"}, Since: at, Watched: true,
			Doing: "waits", Last: receipt(), Trouble: "t",
		}},
		Misuse: []Finding{{Kind: "two_async", Image: "/a.so", Call: "WriteClient", Text: "t", Request: "r", First: at, Last: at, Count: 2, Stack: []string{"f"}}},
		Snoops: []Snoop{{ID: 1, Who: "user 0", Since: at, Events: 2, Dropped: 3, Filter: trace.Filter{
			Site: "s", App: "/", Pool: "legacy", Image: "a", Client: "127.0.0.1", URL: "/*", Request: 1, Sample: 0.5,
			Calls: []string{"WriteClient"}, Errors: true, Slower: time.Second, Body: 1, Secrets: true,
		}}},
		InFlight: []InFlight{{
			ID: "r", Age: Seconds(time.Second), Stage: "running", Site: "s", Application: "/", Pool: "legacy", Worker: "legacy/7", Pid: 99, Generation: 3, Image: "/a.so",
			Tries: 1, Client: "127.0.0.1", Method: "GET", URL: "/", Inside: []Inside{{Call: "WriteClient", Age: Seconds(time.Second), Error: 1, Thread: 12}},
			LastCalls: []Inside{{Call: "ReadClient", Age: Seconds(2 * time.Second), Error: 2, Thread: 12}},
		}},
	}
}

// receipt is one without an empty field.
func receipt() *swap.Receipt {
	at := time.Date(2026, 11, 21, 3, 0, 0, 123456789, time.UTC)
	return &swap.Receipt{
		ID: "1", Image: "/a.so", Who: "deploy by user 0", Mode: "overlap", Outcome: swap.TakenBack, Reason: "it crashed",
		From: swap.Build{SHA256: "ab", Size: 1, BuildID: "c", Description: "a"}, To: swap.Build{SHA256: "cd", Size: 2, BuildID: "e", Description: "b"},
		Generations: []swap.Generations{{Pool: "legacy", Old: 3, New: 4}},
		Began:       at, Ready: &at, Verified: &at, Committed: &at, Watched: &at, Ended: &at,
		InFlight: 5, Held: 6, LongestHold: swap.Seconds(1500 * time.Millisecond), Lost: 7, Backup: "/a.backup", Failed: "/a.failed",
	}
}

func TestStatus(t *testing.T) {
	want := everything()
	if path := emptyField(reflect.ValueOf(want), "Status"); path != "" {
		t.Fatalf("%s is not set in this test", path)
	}
	socket, _ := serve(t, &fake{status: want})
	got, err := client(t, socket).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// emptyField finds a field that has its zero value.
func emptyField(v reflect.Value, path string) string {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return emptyField(v.Elem(), path)
		}
	case reflect.Slice:
		if v.Len() > 0 {
			return emptyField(v.Index(0), path+"[]")
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			break
		}
		for i := range v.NumField() {
			if empty := emptyField(v.Field(i), path+"."+v.Type().Field(i).Name); empty != "" {
				return empty
			}
		}
		return ""
	default:
	}
	if v.IsZero() {
		return path
	}
	return ""
}

// TestEmptyStatus: lists are lists also when there is nothing in them.
func TestEmptyStatus(t *testing.T) {
	socket, _ := serve(t, &fake{})
	_, body := raw(t, socket, "GET", pathStatus, "")
	for _, list := range []string{`"urls":[]`, `"pools":[]`, `"in_process":[]`, `"images":[]`} {
		if !strings.Contains(body, list) {
			t.Errorf("no %s in %s", list, body)
		}
	}
}

func TestCommands(t *testing.T) {
	f := &fake{status: everything()}
	f.status.Requests.Running = 5
	socket, log := serve(t, f)
	c := client(t, socket)
	ctx := t.Context()

	for _, command := range []func() (PoolResult, error){
		func() (PoolResult, error) { return c.Recycle(ctx, "legacy", "new file") },
		func() (PoolResult, error) { return c.Recycle(ctx, "legacy", "") },
		func() (PoolResult, error) { return c.StopPool(ctx, "legacy") },
		func() (PoolResult, error) { return c.StartPool(ctx, "legacy") },
	} {
		r, err := command()
		if err != nil {
			t.Error(err)
		}
		if !reflect.DeepEqual(r.Before, f.status.Pools) {
			t.Errorf("before: %+v", r.Before)
		}
	}
	if r, err := c.Reload(ctx); err != nil || r.Changes == nil || len(r.Changes) != 0 {
		t.Errorf("reload: %+v, %v", r, err)
	}
	if r, err := c.Drain(ctx); err != nil || r.Running != 5 {
		t.Errorf("drain: %+v, %v", r, err)
	}
	want := []string{"recycle legacy: new file", "recycle legacy: asked by the operator", "stop legacy", "start legacy", "reload", "drain"}
	if !slices.Equal(f.asked, want) {
		t.Errorf("asked %q, want %q", f.asked, want)
	}
	c.Close()
	for _, line := range []string{`msg="control request" path=/v1/recycle ` + whoKey, "pool=legacy", "path=/v1/reload", "path=/v1/drain"} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("the log has no %q:\n%s", line, log)
		}
	}
	if strings.Contains(log.String(), pathStatus) {
		t.Errorf("the log has questions for the status:\n%s", log)
	}
}

func TestNamed(t *testing.T) {
	var s Status
	for name, of := range map[string]string{"a@x": "a", "a@y": "a", "b": "b", "c": "b"} {
		s.Pools = append(s.Pools, Pool{Status: pool.Status{Name: name}, Of: of, Group: name})
	}
	for _, group := range []string{"a@x", "b"} {
		s.Pools = append(s.Pools, Pool{Status: pool.Status{Name: group + ":win64"}, Of: group[:1], Group: group})
	}
	for name, want := range map[string][]string{
		"a": {"a@x", "a@x:win64", "a@y"}, "a@x": {"a@x", "a@x:win64"}, "a@x:win64": {"a@x:win64"}, "a@y": {"a@y"}, "b": {"b", "b:win64"}, "c": {"c"}, "d": nil,
	} {
		var got []string
		for _, p := range s.Named(name) {
			got = append(got, p.Name)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestReload(t *testing.T) {
	want := ReloadResult{[]Change{{`pool "legacy"`, "recycled"}}}
	f := &fake{reload: func(ctx context.Context) (ReloadResult, error) {
		if _, limited := ctx.Deadline(); !limited {
			return ReloadResult{}, errors.New("no limit")
		}
		return want, nil
	}}
	socket, _ := serve(t, f)
	if got, err := client(t, socket).Reload(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestReloadGoesOn: a client that does not wait for the end of a reload does not end it.
func TestReloadGoesOn(t *testing.T) {
	begun, leave, left := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	f := &fake{reload: func(ctx context.Context) (ReloadResult, error) {
		close(begun)
		<-leave
		left <- ctx.Err()
		return ReloadResult{}, nil
	}}
	socket, _ := serve(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	if _, err := client(t, socket).Reload(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
	close(leave)
	if err := <-left; err != nil {
		t.Errorf("the reload was ended: %v", err)
	}
}

// TestRefused: what the client of this package would not send, and what the server does not do.
func TestRefused(t *testing.T) {
	status := Status{Pools: []Pool{{Status: pool.Status{Name: "a"}, Of: "a"}, {Status: pool.Status{Name: "b c@x"}, Of: "b c"}}}
	for name, c := range map[string]struct {
		method, path, body string
		err                error // of the server
		code               int
		message, hint      string // parts of them
	}{
		"unknown path":     {"GET", "/v1/pools", "", nil, 404, `there is no "/v1/pools"`, "/v1/deploy, /v1/drain, "},
		"other version":    {"GET", "/v2/status", "", nil, 404, `there is no "/v2/status"`, "/v1/status"},
		"path with dots":   {"GET", "/v1/../v1/status", "", nil, 404, "there is no", ""},
		"wrong method":     {"GET", pathDrain, "", nil, 405, "/v1/drain is not for GET", "use POST"},
		"status with POST": {"POST", pathStatus, "{}", nil, 405, "/v1/status is not for POST", "use GET"},

		"no body":         {"POST", pathRecycle, "", nil, 400, "no pool is named", `{"pool": "NAME"}`},
		"no pool":         {"POST", pathStop, `{"reason":"x"}`, nil, 400, "no pool is named", ""},
		"no JSON":         {"POST", pathStop, "pool=a", nil, 400, "the request cannot be read", "docs/control-api.md"},
		"another type":    {"POST", pathStop, `{"pool":1}`, nil, 400, "the request cannot be read", ""},
		"a list":          {"POST", pathReload, "[]", nil, 400, "the request cannot be read", ""},
		"unknown field":   {"POST", pathStart, `{"pool":"a","force":true}`, nil, 400, `unknown field "force"`, ""},
		"field of reload": {"POST", pathReload, `{"pool":"a"}`, nil, 400, `unknown field "pool"`, ""},
		"field of drain":  {"POST", pathDrain, `{"pool":"a"}`, nil, 400, `unknown field "pool"`, ""},
		"two objects":     {"POST", pathStart, `{"pool":"a"} {}`, nil, 400, "more behind the object", ""},
		"cut off":         {"POST", pathStart, `{"pool":"a"`, nil, 400, "the request cannot be read", ""},
		"long reason":     {"POST", pathRecycle, `{"pool":"a","reason":"` + strings.Repeat("x", 257) + `"}`, nil, 400, "the reason is 257 bytes long", "256"},
		"long body":       {"POST", pathRecycle, `{"pool":"` + strings.Repeat("x", 20<<10) + `"}`, nil, 413, "longer than 16384 bytes", ""},
		"long end":        {"POST", pathRecycle, `{"pool":"a"}` + strings.Repeat(" ", 20<<10), nil, 413, "longer than 16384 bytes", ""},

		"no such pool":     {"POST", pathRecycle, `{"pool":"x"}`, fmt.Errorf("x: %w", ErrNoPool), 404, `there is no pool "x"`, "pools with workers: a, b c, b c@x"},
		"in-process":       {"POST", pathStop, `{"pool":"fast"}`, ErrInProcess, 409, `pool "fast" runs inside the server`, "pools with workers: a, b c, b c@x"},
		"ending":           {"POST", pathStart, `{"pool":"a"}`, ErrEnding, 409, "the server is ending", "nothing can be changed"},
		"unexpected":       {"POST", pathStart, `{"pool":"a"}`, errors.New("disk on fire"), 500, "disk on fire", ""},
		"reload: bad file": {"POST", pathReload, "", errors.New("isapid.yaml:3:1: no"), 422, "isapid.yaml:3:1: no", "nothing has changed"},
		"reload: ending":   {"POST", pathReload, "", ErrEnding, 409, "the server is ending", ""},
		"drain: ending":    {"POST", pathDrain, "", ErrEnding, 409, "the server is ending", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{status: status, err: c.err}
			socket, _ := serve(t, f)
			code, body := raw(t, socket, c.method, c.path, c.body)
			var e Error
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				t.Fatalf("%d %s: %v", code, body, err)
			}
			if code != c.code || !strings.Contains(e.Message, c.message) || !strings.Contains(e.Hint, c.hint) {
				t.Errorf("%d %+v, want %d with %q and the hint %q", code, e, c.code, c.message, c.hint)
			}
			if c.err == nil && len(f.asked) > 0 {
				t.Errorf("the server was asked %q", f.asked)
			}
		})
	}
}

func TestNoPoolHasWorkers(t *testing.T) {
	socket, _ := serve(t, &fake{err: ErrNoPool})
	_, err := client(t, socket).Recycle(t.Context(), "x", "")
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != 404 || !strings.Contains(err.Error(), "\nno pool has workers; ") {
		t.Errorf("got %v", err)
	}
}

func TestLongHeader(t *testing.T) {
	socket, _ := serve(t, &fake{})
	r, err := http.NewRequest("GET", "http://isapid"+pathStatus, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X", strings.Repeat("x", 1<<20))
	if resp, err := transport(socket).RoundTrip(r); err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("got %s", resp.Status)
		}
	} // else it hung up while we were sending
}

// raw sends a request as it is.
func raw(t *testing.T, socket, method, path, body string) (code int, answer string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://isapid"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport(socket).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if ct := resp.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type is %q", ct)
	}
	return resp.StatusCode, string(data)
}

func transport(socket string) *http.Transport {
	return &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, socket)
		},
	}
}
