package admin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"
)

// whoKey is what the log calls who asks.
const whoKey = "user="

// self is this test binary.
var self = os.Args[0]

var places atomic.Int64

// freePlace is a name for a pipe.
func freePlace(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf(`%sisapid-test-%d-%d`, pipeFolder, os.Getpid(), places.Add(1))
}

// me is how the server calls who tests it.
func me() string { return " by user " + userOf(uint32(os.Getpid())) }

// TestAccessList: the owner, the system and administrators, and with a group those who may look, who can connect and make no such pipe.
func TestAccessList(t *testing.T) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	sid := user.User.Sid.String()
	owners := "O:" + sid + "D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;" + sid + ")"
	for _, c := range []struct {
		b    binding
		want string
		err  string
	}{
		{binding{}, owners, ""},
		{binding{shared: true, group: "Everyone"}, owners + "(A;;0x12018b;;;S-1-1-0)", ""},
		{binding{shared: true}, "", "say with control.status_group who may"},
		{binding{shared: true, group: "nobody of that name"}, "", `control.status_group: there is no account "nobody of that name"`},
	} {
		got, err := c.b.accessList()
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%+v:\n got %s, %v\nwant %s, %s", c.b, got, err, c.want, c.err)
		}
		if err == nil {
			if _, err := windows.SecurityDescriptorFromString(got); err != nil {
				t.Errorf("%s: %v", got, err)
			}
		}
	}
}

// TestPipeBelongs: the pipe that is made has that list.
func TestPipeBelongs(t *testing.T) {
	place, _ := serve(t, &fake{})
	c, err := dial(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	pipe, _ := handleOf(c)
	sd, err := windows.GetSecurityInfo(pipe, windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"D:P", ";;;SY)", ";;;BA)"} {
		if !strings.Contains(sd.String(), part) {
			t.Errorf("%s has no %q", sd, part)
		}
	}
	if who := serverOf(c); who.pid != os.Getpid() {
		t.Errorf("%+v serves", who)
	}
}

// TestOnePipe: the pipe of a living server is left alone, and free when that was killed.
func TestOnePipe(t *testing.T) {
	place := freePlace(t)
	o := serveElsewhere(t, place)
	_, err := Listen(place, &fake{}, quiet)
	if want := fmt.Sprintf("control socket: another isapid serves at %s (pid %d): stop it or set control.socket", place, o.cmd.Process.Pid); err == nil || err.Error() != want {
		t.Fatalf("got  %v\nwant %v", err, want)
	}
	if _, err := client(t, place).Status(t.Context()); err != nil {
		t.Errorf("the living server: %v", err)
	}
	o.kill()
	s, err := Listen(place, &fake{status: Status{Version: "new"}}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := client(t, place).Status(t.Context()); err != nil || got.Version != "new" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	_, err = client(t, place).Status(t.Context())
	if none, ok := errors.AsType[*NoServerError](err); !ok || !strings.Contains(none.Error(), "is it running?") {
		t.Errorf("after the end: %v", err)
	}
}

// TestTakenName: a pipe of another program is not taken for one of ours.
func TestTakenName(t *testing.T) {
	place := freePlace(t)
	l, err := winio.ListenPipe(place, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	if s, err := Listen(place, &fake{}, quiet); err == nil {
		s.Close(t.Context())
		t.Error("it listens")
	}
	l.Close()
	<-accepted
}

func TestNoPipe(t *testing.T) {
	for _, place := range []string{`C:\windows\win.ini`, `\\.\pipe\`, `\\server\pipe\isapid`, "control.sock"} {
		if s, err := Listen(place, &fake{}, quiet); err == nil || !strings.Contains(err.Error(), "is not the name of a pipe") {
			t.Errorf("%s: %v", place, err)
			if err == nil {
				s.Close(t.Context())
			}
		}
		if _, err := client(t, place).Status(t.Context()); err == nil {
			t.Errorf("%s answers", place)
		}
	}
}

// TestTrust: what the system's own accounts or we made is trusted, what somebody else made is not.
func TestTrust(t *testing.T) {
	for text, want := range map[string]bool{
		"S-1-5-18": true, "S-1-5-19": true, "S-1-5-20": true, "S-1-5-32-544": true, "S-1-5-80-1-2-3-4-5": true,
		"S-1-5-32-545": false, "S-1-1-0": false, "S-1-5-21-1-2-3-1001": false, "S-1-5-82-1": false,
	} {
		sid, err := windows.StringToSid(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := ofTheSystem(sid); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// TestPipeCloseWaits: a request that runs is answered before the pipe is gone.
func TestPipeCloseWaits(t *testing.T) {
	place := freePlace(t)
	begun, end := make(chan struct{}), make(chan struct{})
	s, err := Listen(place, &fake{reload: func(context.Context) (ReloadResult, error) {
		close(begun)
		<-end
		return ReloadResult{}, nil
	}}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	asked, closed := make(chan error, 1), make(chan error, 1)
	c := client(t, place)
	go func() { _, err := c.Reload(context.Background()); asked <- err }()
	<-begun
	go func() { closed <- s.Close(context.Background()) }()
	select {
	case <-closed:
		t.Error("closed while a request runs")
	case <-time.After(time.Millisecond):
	}
	close(end)
	if err := <-asked; err != nil {
		t.Errorf("the client got %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestFindImageOnWindows: names are the same whatever the case, and with either slash.
func TestFindImageOnWindows(t *testing.T) {
	list := []Image{{Path: `C:\srv\Shop\Proposal.dll`, Applications: []string{"shop/"}}, {Path: `C:\srv\stock.dll`}}
	for _, name := range []string{`C:\srv\Shop\Proposal.dll`, `c:\srv\shop\PROPOSAL.DLL`, `C:/srv/./Shop/Proposal.dll`, "proposal.dll", "PROPOSAL", "shop/"} {
		if got, err := FindImage(list, name); err != nil || got.Path != list[0].Path {
			t.Errorf("%s: %q, %v", name, got.Path, err)
		}
	}
	if got, err := FindImage(list, "Shop/"); err == nil {
		t.Errorf("applications have one case, but: %q", got.Path)
	}
}
