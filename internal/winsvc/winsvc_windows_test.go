package winsvc

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
)

// TestServiceSID compares with an account that every Windows has.
func TestServiceSID(t *testing.T) {
	const want = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
	for _, name := range []string{"TrustedInstaller", "trustedinstaller"} {
		if got := serviceSID(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestAccounts(t *testing.T) {
	for _, c := range []struct{ user, account, sid string }{
		{"", `NT SERVICE\TrustedInstaller`, "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"},
		{`nt service\trustedinstaller`, `NT SERVICE\TrustedInstaller`, "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"},
		{"localsystem", "LocalSystem", ""},
		{`NT AUTHORITY\SYSTEM`, "LocalSystem", ""},
		{"Everyone", "Everyone", "S-1-1-0"},
	} {
		account, sid, err := accountOf(&Service{Name: "TrustedInstaller", User: c.user})
		if err != nil || account != c.account || sid.String() != c.sid {
			t.Errorf("%q: %q, %v, %v", c.user, account, sid, err)
		}
		if _, err := windows.SecurityDescriptorFromString(folderAccess(sid)); err != nil {
			t.Errorf("%s: %v", folderAccess(sid), err)
		}
	}
	if _, _, err := accountOf(&Service{Name: "isapid", User: "nobody of that name"}); err == nil || !strings.Contains(err.Error(), `there is no account "nobody of that name"`) {
		t.Error(err)
	}
}

func TestWrongUse(t *testing.T) {
	for _, name := range []string{"", "a b", `a\b`, "a/b", "-a", strings.Repeat("x", 81)} {
		if err := Install(&Service{Name: name}); err == nil || !strings.Contains(err.Error(), "cannot be the name of a service") {
			t.Errorf("%q: %v", name, err)
		}
	}
	const none = `there is no service "isapid-test-none": "isapid service install" makes one, --name says another`
	_, queried := Query("isapid-test-none")
	_, started := Start(t.Context(), "isapid-test-none")
	for what, err := range map[string]error{"query": queried, "start": started, "stop": Stop(t.Context(), "isapid-test-none"), "uninstall": Uninstall(t.Context(), "isapid-test-none")} {
		if err == nil || err.Error() != none {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestExplain(t *testing.T) {
	for code, want := range map[windows.Errno]string{
		windows.ERROR_ACCESS_DENIED:             "only an administrator may do that",
		windows.ERROR_SERVICE_EXISTS:            `there is a service "a" already`,
		windows.ERROR_SERVICE_MARKED_FOR_DELETE: "when the last program lets it go",
		windows.ERROR_SERVICE_DISABLED:          "is disabled",
	} {
		if got := explain("a", code); !strings.Contains(got.Error(), want) {
			t.Errorf("%d: %v", code, got)
		}
	}
}

func TestBounded(t *testing.T) {
	if got := bounded("short"); got != "short" {
		t.Error(got)
	}
	if got := bounded(strings.Repeat("ä", maxEvent)); len(got) > maxEvent+4 || !strings.HasSuffix(got, "ä…") {
		t.Errorf("%d bytes, ends in %q", len(got), got[len(got)-8:])
	}
}

// windowsSays is a service control manager.
type windowsSays struct {
	asked chan svc.ChangeRequest
	told  chan svc.Status
	end   chan [2]uint32 // specific, code
}

func run(h *handler) *windowsSays {
	w := &windowsSays{make(chan svc.ChangeRequest), make(chan svc.Status), make(chan [2]uint32, 1)}
	go func() {
		own, code := h.Execute(nil, w.asked, w.told)
		var end [2]uint32
		if own {
			end[0] = 1
		}
		end[1] = code
		w.end <- end
	}()
	return w
}

// until reads what is told until a state.
func (w *windowsSays) until(t *testing.T, want svc.State) svc.Status {
	t.Helper()
	for now := range w.told {
		if now.State == want {
			return now
		}
	}
	return svc.Status{}
}

// TestLife: starting, running with what Windows may ask, ending with signs of life, the end.
func TestLife(t *testing.T) {
	for _, end := range []svc.Cmd{svc.Stop, svc.Shutdown, svc.PreShutdown} {
		m := &Manager{ready: make(chan struct{}), stopping: make(chan struct{})}
		start, drain, answered := make(chan struct{}), make(chan struct{}), make(chan struct{})
		var mu sync.Mutex
		var asked []string
		note := func(what string) func() {
			return func() { mu.Lock(); defer mu.Unlock(); asked = append(asked, what) }
		}
		h := &handler{manager: m, every: time.Millisecond, serve: func(m *Manager) error {
			m.Attach(Controls{Drain: sync.OnceFunc(func() { close(drain) }), Reload: note("reload"), Reopen: note("reopen")})
			<-start
			m.Ready("")
			<-drain
			m.Stopping()
			<-answered
			return nil
		}}
		w := run(h)
		first := w.until(t, svc.StartPending)
		if first.Accepts != 0 || first.WaitHint == 0 {
			t.Errorf("%+v", first)
		}
		for again := first; again.CheckPoint < 2; again = w.until(t, svc.StartPending) { // two signs of life while it starts
			if again.WaitHint == 0 {
				t.Errorf("%+v", again)
			}
		}
		close(start)
		if now := w.until(t, svc.Running); now.Accepts != svc.AcceptStop|svc.AcceptShutdown|svc.AcceptPreShutdown|svc.AcceptParamChange || now.CheckPoint != 0 {
			t.Errorf("%+v", now)
		}
		for _, c := range []svc.Cmd{svc.ParamChange, controlReload, controlReopen, svc.Interrogate} {
			w.asked <- svc.ChangeRequest{Cmd: c}
			w.until(t, svc.Running)
		}
		w.asked <- svc.ChangeRequest{Cmd: end}
		for now := w.until(t, svc.StopPending); now.CheckPoint < 2; now = w.until(t, svc.StopPending) {
			if now.Accepts != 0 || now.WaitHint == 0 {
				t.Errorf("%+v", now)
			}
		}
		close(answered)
		for over := false; !over; {
			select {
			case <-w.told:
			case code := <-w.end:
				over = true
				if code != [2]uint32{} {
					t.Errorf("ended with %v", code)
				}
			}
		}
		if want := []string{"reload", "reload", "reopen"}; !reflect.DeepEqual(asked, want) {
			t.Errorf("asked for %q", asked)
		}
	}
}

// TestFailedStart: the exit code of the server is that of the service.
func TestFailedStart(t *testing.T) {
	events, err := openEvents("isapid-test")
	if err != nil {
		t.Fatal(err)
	}
	defer events.close()
	oops := errors.New("no such file")
	h := &handler{
		manager: &Manager{events: events, ready: make(chan struct{}), stopping: make(chan struct{})},
		serve:   func(*Manager) error { return oops }, code: func(error) int { return 3 }, every: time.Hour,
	}
	w := run(h)
	for {
		select {
		case <-w.told:
			continue
		case end := <-w.end:
			if end != [2]uint32{1, 3} || !errors.Is(h.err, oops) {
				t.Errorf("ended with %v, %v", end, h.err)
			}
		}
		return
	}
}

func TestFolder(t *testing.T) {
	dir := Folder("isapid-test-folder")
	if !strings.HasSuffix(dir, `\isapid-test-folder`) {
		t.Fatal(dir)
	}
	for range 2 { // the second finds it there
		if err := makeFolder(dir, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := windows.RemoveDirectory(windows.StringToUTF16Ptr(dir)); err != nil {
		t.Error(err)
	}
}
