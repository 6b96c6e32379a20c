//go:build linux

package wine

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/testext"
)

// world is the fixture of that name, with its helper, in a folder of a server that serves nothing else.
type world struct {
	*server
	folder string // below the root
}

// newWorld serves it in a prefix of its own. The names have letters and blanks that a path of Windows may have, and no language is set.
func newWorld(t *testing.T, change func(c *config.Config, root string)) *world {
	t.Helper()
	for _, name := range []string{"LANG", "LC_ALL", "LC_CTYPE"} {
		t.Setenv(name, "")
	}
	w := &world{folder: "Größe und Maß"}
	w.server = start(t, func(c *config.Config, root string) {
		apart(t, c)
		c.Pools[config.DefaultPoolName].Crashes.Max = 0
		change(c, root)
	})
	check(t, os.Mkdir(filepath.Join(w.root, w.folder), 0o755))
	for name, text := range map[string]string{"shop.ini": "[shop]\r\ncolour=red\r\n", "template.htm": "a template\n"} {
		check(t, os.WriteFile(filepath.Join(w.root, w.folder, name), []byte(text), 0o600))
	}
	w.install(1)
	return w
}

// install puts the library there, and a version of its helper.
func (w *world) install(version int) {
	w.t.Helper()
	helper := testext.DLL(w.t, "amd64", "world_helper", fmt.Sprintf("-DVERSION=%d", version))
	w.put(w.folder+"/world_helper.dll", helper)
	w.put(w.folder+"/beside.dll", helper)
	w.put("whole.dll", helper)
	w.put(w.folder+"/Übersicht 1.dll", testext.DLL(w.t, "amd64", "world", helper, fmt.Sprintf("-DBUILD=%d", version), "-lole32", "-lws2_32", "-lodbc32"))
}

func (w *world) ask(query string) (status int, body string) {
	w.t.Helper()
	path := url.URL{Path: "/" + w.folder + "/Übersicht 1.dll"}
	return w.get(path.EscapedPath() + "?" + query)
}

// says fails the test if an answer is not like a regular expression.
func (w *world) says(query, want string) {
	w.t.Helper()
	if status, body := w.ask(query); status != 200 || !regexp.MustCompile("^(?:"+want+")$").MatchString(body) {
		w.t.Errorf("%s: %d %q, want %s", query, status, body, want)
	}
}

// file is the text of one in the library's folder.
func (w *world) file(name string) string {
	text, _ := os.ReadFile(filepath.Join(w.root, w.folder, name))
	return string(text)
}

// TestWorld: what a library for IIS takes for granted. The rows are those of docs/wine.md.
func TestWorld(t *testing.T) {
	me, err := user.Current()
	check(t, err)
	w := newWorld(t, func(c *config.Config, _ string) {
		c.Pools[config.DefaultPoolName].Environment = map[string]string{"TZ": "Europe/Berlin"}
	})
	own := "Z:" + strings.ReplaceAll(w.root, "/", `\`) + "\\Gr\xf6\xdfe und Ma\xdf\\\xdcbersicht 1.dll" // in code page 1252
	if _, body := w.ask("module"); body != own {
		t.Errorf("it lies in %q, want %q", body, own)
	}
	if _, body := w.ask("begun"); !strings.HasSuffix(body, "\\\xdcbersicht 1.dll") { // in DllMain it is the copy's
		t.Errorf("it began in %q, want a path of its name", body)
	}
	for _, row := range []struct{ query, want string }{
		{"read=TEMPLATE.HTM", "a template"},
		{"ini=shop.ini", "red"},
		{"ini=SHOP.INI", "red"},
		{"count=count.txt", "1"},
		{"count=COUNT.TXT", "2"},
		{"replace=count.txt", "3"},
		{"helper", "1"},
		{"load=world_helper.dll", "1"},
		{"load=beside.dll", "LoadLibrary: error 126"},
		{"load=Z:" + strings.ReplaceAll(w.root, "/", "%5C") + "%5Cwhole.dll", "1"},
		{"com", "0000000[01]"},
		{"stream", "written"},
		{"progid=Scripting.FileSystemObject", "00000000"},
		{"progid=Vendor.Shop", "800401f3"},
		{"work", "worked"},
		{"token", regexp.QuoteMeta(me.Username)},
		{"registry=name", "error 2"},
		{"store=name", ""},
		{"registry=name", "stored"},
		{"folders", `[^|]+\|[^|]+\\\|writable\|C:\\windows`},
		{"print", "printed"},
		{"console", "1 1"},
		{"print", "printed"},
		{"box", "-1"},
		{"invalid", "34"},
		{"odbc", "no environment|-1 IM00.*"},
		{"page", "1252"},
		{"keep", "written"},
	} {
		w.says(row.query, row.want)
	}
	if _, err := os.Stat("/usr/share/zoneinfo/Europe/Berlin"); err == nil {
		w.says("clock", "14 14")
	}
	if got := w.file("count.txt"); got != "3" {
		t.Errorf("count.txt beside the library has %q", got)
	}
	for _, text := range []string{"by printf", "by stderr", "by WriteFile", "by OutputDebugString", "after FreeConsole"} {
		for end := time.Now().Add(time.Minute); !w.log.has(text); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the log does not have %q", text)
			}
		}
	}
	w.threads(t)
	w.connects(t)
	w.swapped(t)
	w.says("own", "set")
	if status, _ := w.ask("crash"); status != 500 { // its own handler would end the process
		t.Errorf("crash: %d", status)
	}
	w.says("helper", "2")
}

// threads: static and dynamic storage belong to one thread each.
func (w *world) threads(t *testing.T) {
	for query, first := range map[string]int{"static": 7, "dynamic": 0} {
		next := map[int]int{}
		for range 20 {
			var n, thread int
			_, body := w.ask(query)
			if _, err := fmt.Sscanf(body, "%d %d", &n, &thread); err != nil {
				t.Fatalf("%s: %q", query, body)
			}
			if n != first+next[thread] {
				t.Errorf("%s: thread %d has %d, want %d", query, thread, n, first+next[thread])
			}
			next[thread]++
		}
	}
}

// connects: a library can be a client.
func (w *world) connects(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	served := make(chan struct{})
	go func() {
		defer close(served)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		line, _ := bufio.NewReader(c).ReadString('\n')
		fmt.Fprintf(c, "you said %s", line)
	}()
	w.says(fmt.Sprintf("connect=%d", l.Addr().(*net.TCPAddr).Port), "you said hello\n")
	l.Close()
	<-served
}

// swapped: the library is replaced together with the one that it imports. The next version goes on with the files of the one before, which
// has written its last line.
func (w *world) swapped(t *testing.T) {
	w.install(2)
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if _, body := w.ask("helper"); body == "2" {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it is not replaced")
		}
	}
	w.says("count=count.txt", "4")
	w.says("registry=name", "stored")
	for end := time.Now().Add(time.Minute); w.file("ended.txt") != "ended\r\n" || w.file("kept.txt") != "kept\r\n"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the version before has not run its atexit functions or lost what it wrote: %q, %q", w.file("ended.txt"), w.file("kept.txt"))
		}
	}
}

// TestSharedMemory: two workers have the same named memory and mutex.
func TestSharedMemory(t *testing.T) {
	w := newWorld(t, func(c *config.Config, _ string) { c.Pools[config.DefaultPoolName].Workers = 2 })
	seen, last := map[int]bool{}, 0
	for end := time.Now().Add(time.Minute); len(seen) < 2; {
		var n, pid int
		_, body := w.ask("shared=isapid-world")
		if _, err := fmt.Sscanf(body, "%d %d", &n, &pid); err != nil || n != last+1 {
			t.Fatalf("%q after %d", body, last)
		}
		if seen[pid], last = true, n; time.Now().After(end) {
			t.Fatalf("only one worker answers: %v", seen)
		}
	}
}
