//go:build linux

package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestRights: nobody but the owner gets at a socket, in a folder that is made for it or was there.
func TestRights(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.Mkdir(there, 0o755); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]os.FileMode{filepath.Join(dir, "new", "er"): 0o700, there: 0o755} {
		socket := filepath.Join(folder, "control.sock")
		s, err := Listen(socket, &fake{}, quiet)
		if err != nil {
			t.Fatal(err)
		}
		if got := modeOf(t, folder); got != os.ModeDir|want {
			t.Errorf("%s: mode %v, want %v", folder, got, want)
		}
		if got := modeOf(t, socket); got != os.ModeSocket|0o600 {
			t.Errorf("%s: mode %v", socket, got)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

func modeOf(t *testing.T, path string) os.FileMode {
	t.Helper()
	fi, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Mode()
}

// TestRefusedPlaces: where somebody else could have a hand in it, or something else lies.
func TestRefusedPlaces(t *testing.T) {
	const stranger = 65534
	for name, c := range map[string]struct {
		prepare func(dir string) error // dir/control.sock is listened on
		root    bool
		want    string
	}{
		"folder others may write to": {
			prepare: func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o775)) },
			want:    "others may write to the folder DIR: take that from them (chmod go-w) or name another place with control.socket",
		},
		"folder of somebody else": {
			prepare: func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, stranger, -1)) }, root: true,
			want: "the folder DIR belongs to user 65534, this process to user 0: name another place with control.socket",
		},
		"link of somebody else": {
			prepare: func(dir string) error {
				return errors.Join(os.Mkdir(dir+"2", 0o700), os.Symlink(dir+"2", dir), os.Lchown(dir, stranger, -1))
			}, root: true,
			want: "the folder DIR belongs to user 65534",
		},
		"link to a folder of somebody else": {
			prepare: func(dir string) error {
				return errors.Join(os.Mkdir(dir+"2", 0o700), os.Symlink(dir+"2", dir), os.Chown(dir+"2", stranger, -1))
			}, root: true,
			want: "the folder DIR belongs to user 65534",
		},
		"a file for a folder": {
			prepare: func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
			want:    "its folder cannot be made: mkdir DIR: not a directory; name another place with control.socket",
		},
		"a file for a socket": {
			prepare: func(dir string) error {
				return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "control.sock"), nil, 0o600))
			},
			want: "DIR/control.sock is there and is no socket: remove it or name another place with control.socket",
		},
		"a link for a socket": {
			prepare: func(dir string) error {
				return errors.Join(os.Mkdir(dir, 0o700), os.Symlink("/nowhere", filepath.Join(dir, "control.sock")))
			},
			want: "DIR/control.sock is there and is no socket",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.root && os.Geteuid() != 0 {
				t.Skip("only root can give files away")
			}
			dir := filepath.Join(t.TempDir(), "f")
			if err := c.prepare(dir); err != nil {
				t.Fatal(err)
			}
			s, err := Listen(filepath.Join(dir, "control.sock"), &fake{}, quiet)
			if err == nil {
				s.Close(t.Context())
				t.Fatal("it listens")
			}
			if want := "control socket: " + strings.ReplaceAll(c.want, "DIR", dir); !strings.Contains(err.Error(), want) {
				t.Errorf("got  %v\nwant %v", err, want)
			}
		})
	}
}

// TestOwnLink: a link of the owner's own to a folder of his own is as good as the folder.
func TestOwnLink(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "real"), 0o700), os.Symlink("real", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	s, err := Listen(filepath.Join(dir, "link", "control.sock"), &fake{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestOneServer: the socket of a living server is left alone, that of a killed one is replaced.
func TestOneServer(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "control.sock")
	o := serveElsewhere(t, socket)
	_, err := Listen(socket, &fake{}, quiet)
	if want := fmt.Sprintf("control socket: another isapid serves at %s (pid %d): stop it or set control.socket", socket, o.cmd.Process.Pid); err == nil || err.Error() != want {
		t.Fatalf("got  %v\nwant %v", err, want)
	}
	if _, err := client(t, socket).Status(t.Context()); err != nil {
		t.Errorf("the living server: %v", err)
	}
	o.kill()
	if _, err := os.Lstat(socket); err != nil {
		t.Fatalf("a killed server leaves its socket, but: %v", err)
	}
	s, err := Listen(socket, &fake{status: Status{Version: "new"}}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := client(t, socket).Status(t.Context()); err != nil || got.Version != "new" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestManyAtOnce: of servers that start at the same time, one gets the socket a dead one left, and keeps it.
func TestManyAtOnce(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "control.sock")
	for range 20 {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		l.Close()
		var all sync.WaitGroup
		won := make(chan *Socket, 8)
		for n := range cap(won) {
			all.Go(func() {
				s, err := Listen(socket, &fake{status: Status{Pid: n + 1}}, quiet)
				if err == nil {
					won <- s
				} else if !strings.Contains(err.Error(), "another isapid serves") {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(won) != 1 {
			t.Fatalf("%d servers have the socket", len(won))
		}
		if _, err := client(t, socket).Status(t.Context()); err != nil {
			t.Error(err)
		}
		if err := (<-won).Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestCloseLeavesOthers: what somebody put in the place of the socket is not removed.
func TestCloseLeavesOthers(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "control.sock")
	s, err := Listen(socket, &fake{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(socket), os.WriteFile(socket, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(socket); err != nil {
		t.Error(err)
	}
}

// TestCloseWaits: a request that runs is answered, within the limit of who closes; then it is cut off, but not left behind.
func TestCloseWaits(t *testing.T) {
	for name, impatient := range map[string]bool{"answered": false, "cut off": true} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "control.sock")
			begun, end := make(chan struct{}), make(chan struct{})
			s, err := Listen(socket, &fake{reload: func(context.Context) (ReloadResult, error) {
				close(begun)
				<-end
				return ReloadResult{}, nil
			}}, quiet)
			if err != nil {
				t.Fatal(err)
			}
			asked, closed := make(chan error, 1), make(chan error, 1)
			c := client(t, socket)
			go func() { _, err := c.Reload(context.Background()); asked <- err }()
			<-begun
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { closed <- s.Close(ctx) }()
			if impatient {
				cancel()
				if none, ok := errors.AsType[*NoServerError](<-asked); !ok {
					t.Errorf("the client got %v", none)
				}
			}
			select {
			case <-closed:
				t.Error("closed while a request runs")
			default:
			}
			close(end)
			if err := <-closed; err != nil {
				t.Error(err)
			}
			if !impatient {
				if err := <-asked; err != nil {
					t.Errorf("the client got %v", err)
				}
			}
			if _, err := os.Lstat(socket); err == nil {
				t.Error("the socket is still there")
			}
		})
	}
}

func TestMayControl(t *testing.T) {
	for _, c := range []struct {
		who  peer
		uid  int
		want bool
	}{
		{peer{uid: 1000, pid: 5}, 1000, true},
		{peer{uid: 0, pid: 5}, 1000, true},
		{peer{uid: 1001, pid: 5}, 1000, false},
		{peer{uid: 1001, pid: 5}, 0, false},
		{unknown, 1000, false},
		{unknown, -1, false},
	} {
		if got := c.who.mayControl(c.uid); got != c.want {
			t.Errorf("%v may control %d: %v", c.who, c.uid, got)
		}
	}
}

// TestStrangers: another user who got past the rights of files, because somebody changed them, is refused by either side.
func TestStrangers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start processes of other users")
	}
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const one, two = 65533, 65534

	mine := filepath.Join(dir, "mine.sock")
	s, err := Listen(mine, &fake{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	if got, want := askAs(t, two, mine), "no isapid answers at "+mine+": it belongs to another user: ask as that one, or as root"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if err := os.Chmod(mine, 0o666); err != nil {
		t.Fatal(err)
	}
	if got, want := askAs(t, two, mine), "user 65534 may not control this server\nask as its user, or as root"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}

	folder := filepath.Join(dir, "theirs")
	if err := errors.Join(os.Mkdir(folder, 0o755), os.Chown(folder, one, one)); err != nil {
		t.Fatal(err)
	}
	theirs := filepath.Join(folder, "control.sock")
	serveElsewhere(t, theirs, func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: one, Gid: one}}
	})
	if err := os.Chmod(theirs, 0o666); err != nil {
		t.Fatal(err)
	}
	if got, want := askAs(t, two, theirs), "no isapid answers at "+theirs+": what listens there belongs to user 65533 and is not trusted"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for _, uid := range []int{one, 0} {
		if got := askAs(t, uid, theirs); got != "" {
			t.Errorf("user %d: %s", uid, got)
		}
	}
}

// askAs asks for the status as another user and returns the error; "" is none.
func askAs(t *testing.T, uid int, socket string) string {
	t.Helper()
	cmd := startRole(t.Context(), "ask", socket)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	out, err := cmd.Output()
	if err != nil && len(out) == 0 {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// TestNoServer: there is nobody, somebody who hangs up, somebody who never answers, something else.
func TestNoServer(t *testing.T) {
	dir := t.TempDir()
	accept := func(name string, do func(net.Conn)) string {
		l, err := net.Listen("unix", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				do(c)
			}
		}()
		t.Cleanup(func() { l.Close(); <-done })
		return l.Addr().String()
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var held []net.Conn
	t.Cleanup(func() {
		for _, c := range held {
			c.Close()
		}
	})
	for name, c := range map[string]struct {
		socket string
		want   string
	}{
		"no socket":  {filepath.Join(dir, "none"), "no isapid answers at SOCKET: is it running? If it uses another socket, "},
		"no folder":  {filepath.Join(dir, "no", "ne"), "no isapid answers at SOCKET: is it running? If it uses another socket, "},
		"a file":     {filepath.Join(dir, "file"), "no isapid answers at SOCKET: is it running? If it uses another socket, "},
		"long":       {filepath.Join(dir, strings.Repeat("x", 200)), "no isapid answers at SOCKET: "},
		"hangs up":   {accept("up", func(c net.Conn) { c.Close() }), "no isapid answers at SOCKET: "},
		"other talk": {accept("talk", func(c net.Conn) { fmt.Fprint(c, "220 mail\r\n"); c.Close() }), "no isapid answers at SOCKET: "},
		"no answer":  {accept("silent", func(c net.Conn) { held = append(held, c) }), "the isapid at SOCKET does not answer: it hangs, or the machine is very busy"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if name == "no answer" {
				ctx, cancel = context.WithTimeout(ctx, 10*time.Millisecond)
			}
			defer cancel()
			_, err := client(t, c.socket).Status(ctx)
			none, ok := errors.AsType[*NoServerError](err)
			if want := strings.ReplaceAll(c.want, "SOCKET", c.socket); !ok || none.Place != c.socket || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got  %v\nwant %v", err, want)
			}
		})
	}
}
