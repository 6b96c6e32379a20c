package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/trace"
)

// fakeServer answers with one status after another, the last one for ever, from when the first command came.
type fakeServer struct {
	err    error // of commands
	reload admin.ReloadResult

	images   []admin.Image
	swap     func(file string, step func(swap.Step)) (swap.Receipt, error) // Deploy and Rollback, which has no file
	receipts []swap.Receipt

	mu      sync.Mutex // guards all below
	asked   []string
	begun   bool
	states  []admin.Status
	drained func() // called once all states were seen; nil: nothing
}

func (f *fakeServer) Status() admin.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.states[0]
	switch {
	case f.begun && len(f.states) > 1:
		f.states = f.states[1:]
	case f.begun && f.drained != nil:
		go f.drained()
		f.drained = nil
	}
	return s
}

func (f *fakeServer) ask(what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, what)
	f.begun = true
	if len(f.states) > 1 {
		f.states = f.states[1:]
	}
	return f.err
}

func (f *fakeServer) Recycle(pool, reason string) error {
	return f.ask("recycle " + pool + ": " + reason)
}
func (f *fakeServer) StopPool(pool string) error  { return f.ask("stop " + pool) }
func (f *fakeServer) StartPool(pool string) error { return f.ask("start " + pool) }
func (f *fakeServer) Drain() error                { return f.ask("drain") }

func (f *fakeServer) Reload(context.Context) (admin.ReloadResult, error) {
	return f.reload, f.ask("reload")
}

func (f *fakeServer) Images() []admin.Image { return f.images }

func (f *fakeServer) Deploy(_ context.Context, image, _ string, wait bool, file string, step func(swap.Step)) (swap.Receipt, error) {
	if err := f.ask(fmt.Sprintf("deploy %s, wait %v", image, wait)); err != nil {
		return swap.Receipt{}, err
	}
	return f.swap(file, step)
}

func (f *fakeServer) Rollback(_ context.Context, image, to, _ string, wait bool, step func(swap.Step)) (swap.Receipt, error) {
	if err := f.ask(fmt.Sprintf("rollback %s to %q, wait %v", image, to, wait)); err != nil {
		return swap.Receipt{}, err
	}
	return f.swap("", step)
}

func (f *fakeServer) History(image string) ([]swap.Receipt, error) {
	return f.receipts, f.ask("history " + image)
}

func (f *fakeServer) Snoop(context.Context, string, trace.Filter, func([]byte) error) error {
	return f.ask("snoop")
}

func (f *fakeServer) Record(context.Context, string, trace.Filter, bool, func([]byte) error) error {
	return f.ask("record")
}

func (f *fakeServer) InFlight(bool) []admin.InFlight           { return f.Status().InFlight }
func (f *fakeServer) Metrics() http.Handler                    { return http.NotFoundHandler() }
func (f *fakeServer) Crashes() ([]admin.Crash, error)          { return nil, f.ask("crashes") }
func (f *fakeServer) Crash(id string) (json.RawMessage, error) { return nil, f.ask("crash " + id) }
func (f *fakeServer) Reopen() error                            { return f.ask("reopen") }

var places atomic.Int64

// freePlace is where a control socket may be made.
func freePlace(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		return fmt.Sprintf(`\\.\pipe\isapid-test-%d-%d`, os.Getpid(), places.Add(1))
	}
	return filepath.Join(t.TempDir(), "control.sock")
}

// listen has f control itself through a socket until the test ends.
func (f *fakeServer) listen(t *testing.T) (socket string) {
	t.Helper()
	socket = freePlace(t)
	s, err := admin.Listen(socket, f, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	if f.drained != nil {
		f.drained = end
	}
	return socket
}

func runMain(args ...string) (code int, stdout, stderr string) {
	var out, errOut strings.Builder
	code = Main(args, strings.NewReader(""), &out, &errOut)
	return code, out.String(), errOut.String()
}

// inState is a server with one pool.
func inState(s pool.State, generation int, change ...func(*pool.Status)) admin.Status {
	p := pool.Status{Name: "legacy", State: s, Generation: generation, Because: "start"}
	if s == pool.StateRunning {
		p.Workers = []pool.WorkerStatus{{Worker: generation, Name: fmt.Sprint("legacy/", generation), Generation: generation, State: "ready"}}
	}
	for _, c := range change {
		c(&p)
	}
	return admin.Status{Pid: 7, State: admin.StateServing, Pools: []admin.Pool{{Status: p, Of: "legacy"}}}
}

func TestPoolCommands(t *testing.T) {
	running := func(n int) admin.Status { return inState(pool.StateRunning, n) }
	rolling := inState(pool.StateRunning, 1, func(p *pool.Status) { p.Rollout = &pool.Rollout{Generation: 2, Reason: "asked"} })
	failed := inState(pool.StateRunning, 1, func(p *pool.Status) {
		p.Rollout = &pool.Rollout{Failures: 1}
		p.Deaths = []pool.Death{{Worker: 1, Generation: 1, How: "signal 9"}, {Worker: 2, Generation: 2, Pid: 9, How: "exit code 3", Output: "no \x1b[licence\n"}}
	})
	draining := inState(pool.StateRunning, 2, func(p *pool.Status) {
		p.Workers = append(p.Workers, pool.WorkerStatus{State: "retiring", Generation: 1, InFlight: 2})
	})
	two := running(1)
	two.Pools[0].Name = "legacy@a"
	two.Pools = append(two.Pools, two.Pools[0])
	two.Pools[1].Name = "legacy@b"
	for name, c := range map[string]struct {
		args   string
		states []admin.Status
		err    error
		code   int
		asked  string
		out    string
		errOut string
	}{
		"recycled":           {"recycle legacy", []admin.Status{running(1), running(1), rolling, rolling, running(2)}, nil, 0, "recycle legacy: asked by the operator", "pool \"legacy\": generation 2 serves\n", ""},
		"recycle: reason":    {"recycle legacy --reason new-file", []admin.Status{running(1), running(2)}, nil, 0, "recycle legacy: new-file", "pool \"legacy\": generation 2 serves\n", ""},
		"recycle: old one":   {"recycle legacy", []admin.Status{running(1), draining}, nil, 0, "", "pool \"legacy\": generation 2 serves; the old one still has 2 requests\n", ""},
		"recycle: no wait":   {"recycle legacy --no-wait", []admin.Status{running(1)}, nil, 0, "", "pool \"legacy\" is being recycled\n", ""},
		"recycle: it failed": {"recycle legacy", []admin.Status{running(1), rolling, failed}, nil, 1, "", "", "isapid: the new generation of pool \"legacy\" did not come up: generation 1 serves on\nisapid: ended  legacy/2 (pid 9) 0 s old: exit code 3; 0 requests, 0 lost\nisapid:   | \"no \\x1b[licence\"\n"},
		"recycle: starting":  {"recycle legacy", []admin.Status{inState(pool.StateStarting, 1), running(1)}, nil, 0, "", "pool \"legacy\": generation 1 serves\n", ""},
		"recycle: degraded": {"recycle legacy", []admin.Status{inState(pool.StateDegraded, 1), inState(pool.StateStarting, 1), inState(pool.StateDegraded, 1)}, nil, 1, "", "",
			"isapid: pool \"legacy\" is degraded: its workers die\nisapid: see \"isapid status\"\n"},
		"recycle: repaired": {"recycle legacy", []admin.Status{inState(pool.StateDegraded, 1), inState(pool.StateStarting, 1), running(1)}, nil, 0, "", "pool \"legacy\": generation 1 serves\n", ""},
		"recycle: stopped":  {"recycle legacy", []admin.Status{inState(pool.StateStopped, 1)}, nil, 1, "", "", "isapid: pool \"legacy\" is stopped: it has no workers to replace\nisapid: isapid start legacy\n"},
		"recycle: asleep":   {"recycle legacy", []admin.Status{inState(pool.StateIdle, 1)}, nil, 0, "", "pool \"legacy\" sleeps: its next request starts new workers\n", ""},
		"recycle: empty":    {"recycle legacy", []admin.Status{inState(pool.StateEmpty, 1)}, nil, 0, "", "pool \"legacy\" has loaded nothing yet: there is nothing to replace\n", ""},
		"recycle: unmade":   {"recycle other", []admin.Status{running(1)}, nil, 0, "", "pool \"other\" has loaded nothing yet: it has no workers\n", ""},
		"recycle: parts":    {"recycle legacy --no-wait", []admin.Status{two}, nil, 0, "", "pool \"legacy@a\" is being recycled\npool \"legacy@b\" is being recycled\n", ""},
		"recycle: part":     {"recycle legacy@b --no-wait", []admin.Status{two}, nil, 0, "", "pool \"legacy@b\" is being recycled\n", ""},
		"recycle: vanished": {"recycle legacy", []admin.Status{running(1), {}}, nil, 1, "", "", "isapid: there is no pool \"legacy\" any more\n"},
		"recycle: too long": {"recycle legacy --timeout 1ms", []admin.Status{running(1), rolling}, nil, 1, "", "", "isapid: pool \"legacy\" is not done after 1ms: it is running\nisapid: see \"isapid status\"\n"},
		"recycle: unknown":  {"recycle lgacy", []admin.Status{running(1)}, admin.ErrNoPool, 1, "", "", "isapid: there is no pool \"lgacy\"\nisapid: pools with workers: legacy\n"},
		"recycle: inside":   {"recycle fast", []admin.Status{running(1)}, admin.ErrInProcess, 1, "", "", "isapid: pool \"fast\" runs inside the server: it has no workers that could be replaced or stopped\nisapid: pools with workers: legacy\n"},
		"recycle: no name":  {"recycle", []admin.Status{running(1)}, nil, 2, "", "", "isapid: accepts 1 arg(s), received 0\nisapid: see \"isapid recycle --help\"\n"},

		"stopped":       {"stop legacy", []admin.Status{running(1), inState(pool.StateDraining, 1), inState(pool.StateStopped, 1)}, nil, 0, "stop legacy", "pool \"legacy\" is stopped: its requests get 503 until \"isapid start legacy\"\n", ""},
		"stop: no wait": {"stop legacy --no-wait", []admin.Status{running(1)}, nil, 0, "stop legacy", "pool \"legacy\" is being stopped\n", ""},
		"stop: started": {"stop legacy", []admin.Status{running(1), inState(pool.StateDraining, 1), running(1)}, nil, 1, "", "", "isapid: pool \"legacy\" was started again by somebody else\n"},

		"started":         {"start legacy", []admin.Status{inState(pool.StateStopped, 1), inState(pool.StateStarting, 1), running(1)}, nil, 0, "start legacy", "pool \"legacy\": generation 1 serves\n", ""},
		"start: no wait":  {"start legacy --no-wait", []admin.Status{running(1)}, nil, 0, "start legacy", "pool \"legacy\" is being started\n", ""},
		"start: empty":    {"start legacy", []admin.Status{inState(pool.StateStopped, 1), inState(pool.StateEmpty, 1)}, nil, 0, "", "pool \"legacy\" is started: its first image will start workers\n", ""},
		"start: asleep":   {"start legacy", []admin.Status{inState(pool.StateStopped, 1), inState(pool.StateIdle, 1)}, nil, 0, "", "pool \"legacy\" is started: its next request starts workers\n", ""},
		"start: degraded": {"start legacy", []admin.Status{inState(pool.StateStopped, 1), inState(pool.StateDegraded, 1)}, nil, 1, "", "", "isapid: pool \"legacy\" is degraded: its workers die\nisapid: see \"isapid status\"\n"},
		"start: stopped":  {"start legacy", []admin.Status{inState(pool.StateStopped, 1), inState(pool.StateStopped, 1)}, nil, 1, "", "", "isapid: pool \"legacy\" was stopped again by somebody else\n"},

		"drain: no wait": {"drain --no-wait", []admin.Status{{Pid: 7, Requests: admin.Requests{Running: 2}}}, nil, 0, "drain", "the server (pid 7) is ending: it waits for 2 running requests\n", ""},
		"drain: another": {"drain", []admin.Status{{Pid: 7}, {Pid: 7}, {Pid: 8}}, nil, 0, "drain", "the server (pid 7) has ended\n", ""},
		"drain: ending":  {"drain", []admin.Status{{Pid: 7}}, admin.ErrEnding, 1, "drain", "", "isapid: the server is ending\nisapid: nothing can be changed any more\n"},

		"reload: wrong":   {"reload", []admin.Status{{}}, errors.New("isapid.yaml:3:1: no\nisapid.yaml:4:1: neither"), 3, "reload", "", "isapid: isapid.yaml:3:1: no\nisapid: isapid.yaml:4:1: neither\nisapid: nothing has changed: the server goes on with the configuration it has\n"},
		"reopen":          {"reopen", []admin.Status{{}}, nil, 0, "reopen", "log files are opened again\n", ""},
		"reopen: failed":  {"reopen", []admin.Status{{}}, errors.New("the disk is full"), 1, "reopen", "", "isapid: the disk is full\n"},
		"reload: nothing": {"reload", []admin.Status{{}}, nil, 0, "reload", "nothing differs\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeServer{states: c.states, err: c.err}
			socket := f.listen(t)
			code, out, errOut := runMain(append(strings.Fields(c.args), "--socket", socket)...)
			if code != c.code || out != c.out || errOut != c.errOut {
				t.Errorf("code %d, want %d\n got out %q\nwant out %q\n got err %q\nwant err %q", code, c.code, out, c.out, errOut, c.errOut)
			}
			if c.asked != "" && !reflect.DeepEqual(f.asked, []string{c.asked}) {
				t.Errorf("asked %q, want %q", f.asked, c.asked)
			}
		})
	}
}

func TestReloadCommand(t *testing.T) {
	f := &fakeServer{states: make([]admin.Status, 1), reload: admin.ReloadResult{Changes: []admin.Change{{What: `pool "legacy"`, Effect: "recycled"}, {What: "limits", Effect: "takes effect at the next start"}}}}
	code, out, errOut := runMain("reload", "--socket", f.listen(t))
	if want := "pool \"legacy\": recycled\nlimits: takes effect at the next start\n"; code != 0 || out != want || errOut != "" {
		t.Errorf("code %d, out %q, err %q", code, out, errOut)
	}
}

// TestDrainCommand waits until the server has gone.
func TestDrainCommand(t *testing.T) {
	f := &fakeServer{states: []admin.Status{{Pid: 7}, {Pid: 7, Requests: admin.Requests{Running: 1}}, {Pid: 7, State: admin.StateDraining}}, drained: func() {}}
	code, out, errOut := runMain("drain", "--socket", f.listen(t))
	if code != 0 || out != "the server (pid 7) has ended\n" || errOut != "isapid: the server waits for 1 running request\n" {
		t.Errorf("code %d, out %q, err %q", code, out, errOut)
	}
}

func TestStatusJSON(t *testing.T) {
	want := inState(pool.StateRunning, 3)
	want.Version, want.URLs, want.InProcess, want.Images = "v1 <&>", []string{}, []admin.Extension{}, []swap.State{}
	want.Pools[0].Deaths, want.Misuse, want.Snoops = nil, []admin.Finding{}, []admin.Snoop{}
	f := &fakeServer{states: []admin.Status{want}}
	code, out, errOut := runMain("status", "--json", "--socket", f.listen(t))
	var got admin.Status
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || errOut != "" {
		t.Fatalf("code %d, err %q, %v:\n%s", code, errOut, err, out)
	}
	if !reflect.DeepEqual(got, want) || strings.Count(out, "\n") != 1 {
		t.Errorf("got %+v\nwant %+v\nfrom %s", got, want, out)
	}
}

func TestNoServer(t *testing.T) {
	socket := freePlace(t)
	for _, args := range []string{"status", "recycle a", "stop a", "start a", "reload", "drain"} {
		code, out, errOut := runMain(append(strings.Fields(args), "--socket", socket)...)
		if want := "isapid: no isapid answers at " + socket + ": is it running? "; code != exitNoServer || out != "" || !strings.HasPrefix(errOut, want) {
			t.Errorf("%s: code %d, out %q, err %q", args, code, out, errOut)
		}
	}
	code, _, errOut := runMain("status", "--json", "--socket", socket)
	var e struct {
		Error string
		Code  int
	}
	if err := json.Unmarshal([]byte(errOut), &e); err != nil || code != exitNoServer || e.Code != exitNoServer || !strings.Contains(e.Error, socket) {
		t.Errorf("code %d, err %q, %v", code, errOut, err)
	}
}

// TestWhichServer: the flags, the file in the folder, the default, in this order.
func TestWhichServer(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	here, other, third := filepath.Join(dir, "here.sock"), "/other.sock", "/x.sock"
	text := "here.sock"
	if runtime.GOOS == "windows" {
		here, other, third = `\\.\pipe\here`, `\\.\pipe\other`, `\\.\pipe\x`
		text = "'" + here + "'"
	}
	for name, c := range map[string]struct {
		here string // isapid.yaml in the current folder; "": none
		args []string
		code int
		want string
	}{
		"the default":            {"", nil, exitNoServer, "at " + config.DefaultControlSocket()},
		"the file here":          {"control: {socket: " + text + "}\n", nil, exitNoServer, "at " + here},
		"it has another mistake": {"control: {socket: " + text + "}\nsites: nonsense\n", nil, exitNoServer, "at " + here},
		"another file":           {"control: {socket: " + text + "}\n", []string{"-c", "other.yaml"}, exitNoServer, "at " + other},
		"the socket itself":      {"control: {socket: " + text + "}\n", []string{"-c", "other.yaml", "--socket", third}, exitNoServer, "at " + third},
		"the file is missing":    {"", []string{"-c", "none.yaml"}, exitConfig, "none.yaml"},
		"the file is wrong":      {"control: {sockt: x}\n", nil, exitConfig, "isapid.yaml:1:11: unknown key \"sockt\" in control; did you mean \"socket\"?\nisapid: --socket PATH reaches a server without its configuration"},
		"no socket":              {"control: {socket: \"\"}\n", nil, exitConfig, "isapid.yaml: the server has no control socket (control.socket is empty)"},
	} {
		t.Run(name, func(t *testing.T) {
			os.Remove("isapid.yaml") // may be missing
			err := os.WriteFile("other.yaml", []byte("control: {socket: '"+other+"'}\n"), 0o600)
			if c.here != "" {
				err = errors.Join(err, os.WriteFile("isapid.yaml", []byte(c.here), 0o600))
			}
			if err != nil {
				t.Fatal(err)
			}
			code, _, errOut := runMain(append([]string{"status"}, c.args...)...)
			if code != c.code || !strings.Contains(errOut, c.want) {
				t.Errorf("code %d, err %q, want %d, %q", code, errOut, c.code, c.want)
			}
		})
	}
}
