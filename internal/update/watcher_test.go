//go:build linux

package update

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// listener counts what a watcher says.
type listener struct {
	mu       sync.Mutex
	changes  map[string]int
	troubles []string
	some     chan struct{}
}

func listen(poll time.Duration) (*Watcher, *listener) {
	l := &listener{changes: map[string]int{}, some: make(chan struct{}, 1)}
	tell := func(do func()) {
		l.mu.Lock()
		defer l.mu.Unlock()
		do()
		select {
		case l.some <- struct{}{}:
		default:
		}
	}
	return NewWatcher(poll, func(folder string) { tell(func() { l.changes[folder]++ }) },
		func(folder string, err error) {
			tell(func() { l.troubles = append(l.troubles, filepath.Base(folder)+": "+err.Error()) })
		}), l
}

func (l *listener) count(folder string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changes[folder]
}

// until waits for a fact that comes with a call.
func (l *listener) until(what string, fact func() bool) error {
	end := time.After(time.Minute)
	for !fact() {
		select {
		case <-l.some:
		case <-end:
			return fmt.Errorf("still waiting for this: %s", what)
		}
	}
	return nil
}

// more waits until a folder has changed after something was done to it.
func (l *listener) more(t *testing.T, folder, what string, do func() error) {
	t.Helper()
	was := l.count(folder)
	must(t, do())
	must(t, l.until(what, func() bool { return l.count(folder) > was }))
}

func touch(path string) func() error {
	return func() error { return os.WriteFile(path, []byte("x"), 0o600) }
}

func TestWatcher(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	w, l := listen(time.Hour)
	defer w.Close()
	l.more(t, a, "added", func() error { w.Add(a); w.Add(a); return nil })
	l.more(t, b, "added", func() error { w.Add(b); return nil })
	path := filepath.Join(a, "proposal.update")
	l.more(t, a, "written", touch(path))
	l.more(t, a, "touched", func() error { return os.Chmod(path, 0o700) })
	l.more(t, a, "renamed", func() error { return os.Rename(path, path+"2") })
	l.more(t, a, "removed", func() error { return os.Remove(path + "2") })
	w.Remove(a)
	l.more(t, a, "still added once", touch(path))
	w.Remove(a)
	was := l.count(b)
	must(t, os.Remove(path))
	must(t, touch(filepath.Join(b, "x"))())
	must(t, l.until("b", func() bool { return l.count(b) > was }))
	w.Remove("/nowhere")
	if len(l.troubles) > 0 {
		t.Errorf("troubles: %q", l.troubles)
	}
}

// TestWatcherBurst: changes that follow one another fast are gathered.
func TestWatcherBurst(t *testing.T) {
	dir := t.TempDir()
	w, l := listen(time.Hour)
	defer w.Close()
	l.more(t, dir, "added", func() error { w.Add(dir); return nil })
	began := time.Now()
	for n := range 2000 {
		must(t, touch(filepath.Join(dir, fmt.Sprint(n%10)))())
	}
	l.more(t, dir, "the last", touch(filepath.Join(dir, "last")))
	if n, most := l.count(dir), int(time.Since(began)/burst)+3; n > most {
		t.Errorf("%d calls, want at most %d", n, most)
	}
}

// TestWatcherFolderReplaced: the folder is removed and made again, renamed, or a link that leads elsewhere now. There is no poll here but
// where nothing tells of it.
func TestWatcherFolderReplaced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "folder")
	w, l := listen(50 * time.Millisecond)
	defer w.Close()
	l.more(t, dir, "added before it is there", func() error { w.Add(dir); return nil })
	must(t, l.until("trouble", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.troubles) == 1 }))
	for range 5 {
		must(t, os.Mkdir(dir, 0o700))
		w.watches(t, dir)
		must(t, os.RemoveAll(dir))
		must(t, os.Mkdir(dir, 0o700))
		w.watches(t, dir)
		must(t, os.Rename(dir, dir+".old"))
		must(t, os.Mkdir(dir, 0o700))
		w.watches(t, dir)
		must(t, os.RemoveAll(dir+".old"))
		must(t, os.RemoveAll(dir))
		must(t, os.Mkdir(dir+".1", 0o700))
		must(t, os.Mkdir(dir+".2", 0o700))
		must(t, os.Symlink(dir+".1", dir))
		w.watches(t, dir+".1")
		must(t, os.Symlink(dir+".2", dir+".new"))
		must(t, os.Rename(dir+".new", dir))
		w.watches(t, dir+".2")
		must(t, errors.Join(os.Remove(dir), os.RemoveAll(dir+".1"), os.RemoveAll(dir+".2")))
	}
}

// watches waits until notices, not polls, tell of changes in a folder.
func (w *Watcher) watches(t *testing.T, real string) {
	t.Helper()
	told := make(chan struct{}, 1)
	changed := func(folder string) {
		if folder == real {
			select {
			case told <- struct{}{}:
			default:
			}
		}
	}
	w.mu.Lock()
	w.observe = changed
	w.mu.Unlock()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		must(t, touch(filepath.Join(real, "x"))())
		select {
		case <-told:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatalf("no notices of %s", real)
}

func TestWatcherPoll(t *testing.T) {
	dir := t.TempDir()
	w, l := listen(time.Millisecond)
	l.more(t, dir, "added", func() error { w.Add(dir); return nil })
	for range 3 {
		l.more(t, dir, "poll", func() error { return nil })
	}
	w.Close()
	was := l.count(dir)
	must(t, touch(filepath.Join(dir, "x"))())
	time.Sleep(20 * time.Millisecond)
	if l.count(dir) != was {
		t.Error("called after Close")
	}
}

// TestWatcherLimits: where the system has no watches, there are still polls, and one message.
func TestWatcherLimits(t *testing.T) {
	for _, limit := range []string{"max_inotify_watches", "max_inotify_instances"} {
		t.Run(limit, func(t *testing.T) {
			t.Log(output(t, apart(play(t, "limits", limit, t.TempDir()))))
		})
	}
}

// roleLimits watches a folder (second argument) where a limit of the system (the first) is 0.
func roleLimits(args []string) error {
	limit := filepath.Join("/proc/sys/user", args[0])
	if err := os.WriteFile(limit, []byte("0"), 0); err != nil {
		return err
	}
	want := map[string]error{"max_inotify_watches": syscall.ENOSPC, "max_inotify_instances": syscall.EMFILE}[args[0]]
	dir := args[1]
	w, l := listen(5 * time.Millisecond)
	w.Add(dir)
	err := l.until("polls", func() bool { return l.count(dir) > 5 })
	l.mu.Lock()
	troubles := l.troubles
	l.mu.Unlock()
	if len(troubles) != 1 || !strings.Contains(troubles[0], want.Error()) || !strings.Contains(troubles[0], "fs.inotify.max_user_") {
		err = errors.Join(err, fmt.Errorf("the troubles are %q", troubles))
	}
	fmt.Println(troubles)
	err = errors.Join(err, os.WriteFile(limit, []byte("100"), 0))
	err = errors.Join(err, l.until("notices", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.folders[dir].told == ""
	}))
	w.Close()
	return err
}
