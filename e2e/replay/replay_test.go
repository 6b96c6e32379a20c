//go:build linux

package replay

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/testext"
)

// TestReplay: what was recorded under load is the same from the same build, and each planted difference is found, and named.
func TestReplay(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"isolated", "in-process"} {
		t.Run(mode, func(t *testing.T) {
			image := build(t)
			s := serve(t, mode, "{path: '*', extension: "+image+"}", "")
			r := s.record("t.tape", "shop/")
			s.load(4, 10)
			r.Signal(syscall.SIGINT)
			if n := r.end(); n != 40 {
				t.Errorf("%d requests were recorded of 40", n)
			}
			for name, flags := range map[string][]string{
				"same": nil, "header": {"-DHEADER"}, "calls": {"-DMORE"}, "body": {"-DBODY"}, "fault": {"-DSEGV"}, "death": {"-DKILL"},
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					planted(t, name, r.file, build(t, flags...))
				})
			}
			t.Run("calls are not compared", func(t *testing.T) {
				t.Parallel()
				code, v, text := replay(t, r.file, "--against", build(t, "-DMORE"), "--calls", "off")
				if code != 0 || v.Differ != 0 || v.Requests != 40 {
					t.Errorf("exit code %d: %s", code, text)
				}
			})
			t.Run("ignored", func(t *testing.T) {
				t.Parallel()
				code, _, text := replay(t, r.file, "--against", build(t, "-DHEADER"), "--ignore", "x-version")
				if code != 0 {
					t.Errorf("exit code %d: %s", code, text)
				}
			})
			t.Run("two builds", func(t *testing.T) {
				t.Parallel()
				code, v, text := replay(t, r.file, "--against", build(t, "-DHEADER"), "--against", build(t, "-DHEADER", "-DBODY"))
				if code != 1 || v.Differ != 40 || v.Differences[0].What[0].What != "body" || len(v.Differences[0].What) != 1 {
					t.Errorf("exit code %d: %s", code, text)
				}
			})
		})
	}
}

// planted plays a tape to a build with one difference.
func planted(t *testing.T, name, tape, image string) {
	calls := "names"
	if name == "same" {
		calls = "full"
	}
	code, v, text := replay(t, tape, "--against", image, "--calls", calls, "--normalize", "127.0.0.1:[0-9]+=ADDRESS")
	if v.Requests != 40 || v.Skipped != 0 || v.Cut {
		t.Errorf("played %+v", v)
	}
	if name == "same" {
		if code != 0 || v.Differ != 0 || len(v.Differences) != 0 {
			t.Errorf("exit code %d: %s", code, text)
		}
		return
	}
	if code != 1 || len(v.Differences) == 0 {
		t.Fatalf("exit code %d: %s", code, text)
	}
	d := v.Differences[0]
	all := func(what string, fits func() bool) {
		t.Helper()
		if v.Differ != 40 || len(d.What) != 1 || d.What[0].What != what || !fits() {
			t.Errorf("%d differ, the first one in %+v", v.Differ, d.What)
		}
	}
	switch name {
	case "header":
		all("header", func() bool { return d.What[0].Name == "X-Version" && d.What[0].Recorded == "1" && d.What[0].Now == "2" })
	case "calls":
		all("calls", func() bool {
			return d.What[0].Call == 3 && strings.HasPrefix(d.What[0].Now, "GetServerVariable SERVER_PROTOCOL = 1") && strings.Contains(d.What[0].Recorded, "HSE_REQ_SEND_RESPONSE_HEADER_EX")
		})
	case "body":
		all("body", func() bool {
			return strings.Contains(d.What[0].Recorded, "the end\n") && strings.Contains(d.What[0].Now, "the eNd\n")
		})
	case "fault", "death":
		if v.Differ != 4 || v.Crashes == 0 || !strings.HasSuffix(d.Target, "x=7") || d.What[0].What != "status" {
			t.Fatalf("%s", text)
		}
		status, how := "500 Internal Server Error", "SIGSEGV"
		if name == "death" {
			status, how = "502 Bad Gateway", "SIGKILL"
		}
		if d.What[0].Now != status || len(d.Crashes) == 0 || !strings.Contains(d.Crashes[0].Text, how) || name == "fault" && !strings.Contains(strings.Join(d.Crashes[0].Stack, "\n"), "HttpExtensionProc") {
			t.Errorf("%s", text)
		}
	}
}

// TestEnds: a recording ends by number and by time, a tape that is cut off can be played, and so can a compressed one.
func TestEnds(t *testing.T) {
	t.Parallel()
	image := build(t)
	s := serve(t, "isolated", "{path: '*', extension: "+image+"}", "")
	r := s.record("t.tape", "--count", "5")
	s.load(1, 8)
	if n := r.end(); n != 5 {
		t.Errorf("%d of 5", n)
	}
	text, err := os.ReadFile(r.file)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(s.dir, "cut.tape")
	if err := os.WriteFile(cut, text[:len(text)-20], 0o600); err != nil {
		t.Fatal(err)
	}
	if code, v, said := replay(t, cut, "--against", image); code != 0 || !v.Cut || v.Requests != 4 {
		t.Errorf("exit code %d: %s", code, said)
	}

	r = s.record("u.tape.gz", "recorded", "--duration", "200ms", "--mask")
	s.ask("GET", "/?x=1", "")
	n := r.end()
	if n != 1 {
		t.Errorf("%d of 1", n)
	}
	packed, err := os.ReadFile(r.file)
	if err != nil || !bytes.HasPrefix(packed, []byte{0x1f, 0x8b}) {
		t.Fatalf("%q, %v", packed[:min(len(packed), 10)], err)
	}
	plain, err := exec.Command("gzip", "-dc", r.file).Output()
	if err != nil || bytes.Contains(plain, []byte("secret=1")) || !bytes.Contains(plain, []byte("(masked)")) {
		t.Errorf("%s, %v", plain, err)
	}
	if code, v, said := replay(t, r.file); code != 0 || v.Requests != 1 { // against the recorded image itself
		t.Errorf("exit code %d: %s", code, said)
	}
	if err := os.WriteFile(cut, packed[:len(packed)-12], 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, said := replay(t, cut); code == 4 || code == 2 {
		t.Errorf("exit code %d: %s", code, said)
	}
}

// TestServerStops: requests that have been answered when the server stops are on the tape, also when they have just been.
func TestServerStops(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"isolated", "in-process"} {
		t.Run(mode, func(t *testing.T) {
			s := serve(t, mode, "{path: '*', extension: "+build(t)+"}", "")
			r := s.record("t.tape")
			s.load(1, 3)
			s.End()
			if n := r.end(); n != 3 {
				t.Errorf("%d of 3", n)
			}
		})
	}
}

// TestStoppedReader: a reader that is stopped costs some requests on the tape, and memory of the server only for those that wait. The tape says
// how many they are.
func TestStoppedReader(t *testing.T) {
	t.Parallel()
	s := serve(t, "in-process", "{path: '*', extension: "+build(t)+"}", "")
	r := s.record("t.tape")
	r.Signal(syscall.SIGSTOP)
	body := strings.Repeat("x", 4<<20)
	const sent = 40 // of 4 MiB, and 64 MiB is what may wait
	for n := range sent {
		s.ask("POST", fmt.Sprintf("/?x=%d", n), body)
	}
	r.Signal(syscall.SIGCONT)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(r.file)
		if err == nil && bytes.Contains(text, []byte("\n{\"missing\":")) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the tape does not say that something is missing: %v", err)
		}
	}
	r.Signal(syscall.SIGINT)
	n := r.end()
	if n == 0 || n+r.missing != sent || r.missing < sent/4 {
		t.Errorf("%d are there, %d missing, of %d", n, r.missing, sent)
	}
	if code, v, text := replay(t, r.file); code != 0 || v.Requests != n || v.Missing != r.missing || v.Skipped != 0 {
		t.Errorf("exit code %d: %.2000s", code, text)
	}
}

// TestMoment: what is another each time can be normalized.
func TestMoment(t *testing.T) {
	t.Parallel()
	image := build(t)
	s := serve(t, "isolated", "{path: '*', extension: "+image+"}", "")
	r := s.record("t.tape", "--count", "1")
	s.ask("GET", "/?moment", "")
	r.end()
	if code, v, text := replay(t, r.file); code != 1 || v.Differences[0].What[0].What != "body" {
		t.Errorf("exit code %d: %s", code, text)
	}
	if code, _, text := replay(t, r.file, "--normalize", `process [0-9]+=process N`); code != 0 {
		t.Errorf("exit code %d: %s", code, text)
	}
}

// TestFilters: a filter before an extension is played with it, and can be the image that is replaced.
func TestFilters(t *testing.T) {
	t.Parallel()
	image := build(t)
	s := serve(t, "isolated", "{path: '*', extension: "+image+"}", filter(t))
	r := s.record("t.tape", "--count", "3")
	s.load(1, 3)
	r.end()
	for _, args := range [][]string{nil, {"--image", filepath.Base(filter(t)), "--against", filter(t)}} {
		if code, v, text := replay(t, r.file, args...); code != 0 || v.Requests != 3 {
			t.Errorf("%q: exit code %d: %s", args, code, text)
		}
	}
}

// TestMounted: an image that the URL names, below a virtual directory and an application of its own, is replaced where it was.
func TestMounted(t *testing.T) {
	t.Parallel()
	image, err := os.ReadFile(build(t))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, "isolated", "{path: '*.so', isapi: true}", "")
	if err := os.WriteFile(filepath.Join(s.folder("root/scripts"), "recorded.so"), image, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.folder("root"), "page.txt"), []byte("a page"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := s.record("t.tape", "--count", "2")
	s.ask("GET", "/page.txt", "") // no image has a part in it
	s.ask("GET", "/scripts/recorded.so/path/info?x=1", "")
	s.ask("GET", "/scripts/recorded.so?x=2", "")
	r.end()
	if code, v, text := replay(t, r.file, "--calls", "full"); code != 0 || v.Requests != 2 {
		t.Errorf("exit code %d: %s", code, text)
	}
	if code, v, text := replay(t, r.file, "--against", build(t, "-DHEADER")); code != 1 || v.Differ != 2 {
		t.Errorf("exit code %d: %s", code, text)
	}
}

// TestFilesThroughFilters: where files are served through a filter, that is what is replaced.
func TestFilesThroughFilters(t *testing.T) {
	t.Parallel()
	s := serve(t, "in-process", "", filter(t))
	if err := os.WriteFile(filepath.Join(s.folder("root"), "page.txt"), []byte("a page"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := s.record("t.tape", "--count", "1")
	s.ask("GET", "/page.txt", "")
	r.end()
	if code, v, text := replay(t, r.file, "--against", filter(t)); code != 0 || v.Requests != 1 {
		t.Errorf("exit code %d: %s", code, text)
	}
	if err := os.WriteFile(filepath.Join(s.folder("root"), "page.txt"), []byte("a pagE"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, v, text := replay(t, r.file); code != 1 || v.Differences[0].What[len(v.Differences[0].What)-1].What != "body" {
		t.Errorf("exit code %d: %s", code, text)
	}
}

// TestLoad: nothing of many requests is lost on a server that is busy.
func TestLoad(t *testing.T) {
	t.Parallel()
	image := build(t)
	s := serve(t, "isolated", "{path: '*', extension: "+image+"}", "")
	r := s.record("t.tape.gz", "--count", "1000")
	s.load(10, 100)
	if n := r.end(); n != 1000 {
		t.Errorf("%d of 1000", n)
	}
	if code, v, text := replay(t, r.file, "--against", image); code != 0 || v.Requests != 1000 {
		t.Errorf("exit code %d: %.2000s", code, text)
	}
}

// TestRefused: what cannot be played says why.
func TestRefused(t *testing.T) {
	t.Parallel()
	image := build(t)
	s := serve(t, "isolated", "{path: '*', extension: "+image+"}", "")
	r := s.record("t.tape", "--count", "1")
	s.load(1, 1)
	r.end()
	file := func(name, text string) string {
		path := filepath.Join(s.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, err := os.ReadFile(r.file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(good), "\n")
	bad := file("bad.so", "this is no library")
	for name, test := range map[string]struct {
		code int
		args []string
		says string
	}{
		"no tape":             {1, []string{file("a", "hello")}, "is no tape"},
		"empty":               {1, []string{file("b", "")}, "is no tape"},
		"another version":     {1, []string{file("c", strings.Replace(string(good), `"isapid_tape":1`, `"isapid_tape":2`, 1))}, "version 2"},
		"a bad line":          {1, []string{file("d", head+"\n{\"request\":3}\n")}, "line 2"},
		"a smuggled header":   {1, []string{file("e", head+"\n"+`{"request":{"method":"GET","target":"/","proto":"HTTP/1.1","host":"x","headers":[["A","b\r\nC: d"]]}}`+"\n")}, "line 2"},
		"nothing on it":       {1, []string{file("f", head+"\n"), "--image", image}, "no request"},
		"no file":             {1, []string{filepath.Join(s.dir, "none")}, "none"},
		"an image that is no": {4, []string{r.file, "--against", bad}, "bad.so"},
		"no image":            {4, []string{r.file, "--against", filepath.Join(s.dir, "none.so")}, "none.so"},
		"another image":       {2, []string{r.file, "--image", "other"}, "other"},
		"calls":               {2, []string{r.file, "--calls", "some"}, "--calls"},
		"a pattern":           {2, []string{r.file, "--normalize", "(=x"}, "--normalize"},
		"no pattern":          {2, []string{r.file, "--normalize", "x"}, "PATTERN=TEXT"},
		"three":               {2, []string{r.file, "--against", "a", "--against", "b", "--against", "c"}, "twice"},
	} {
		if code, _, text := replay(t, test.args[0], test.args[1:]...); code != test.code || !strings.Contains(text, test.says) {
			t.Errorf("%s: exit code %d: %s", name, code, text)
		}
	}
	cmd := exec.Command(testext.Program(t, ""), "record", r.file, "--socket", s.socket)
	if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "there already") {
		t.Errorf("a tape is overwritten: %s, %v", out, err)
	}
	cmd = exec.Command(testext.Program(t, ""), "record", filepath.Join(s.dir, "new"), "nothing-like-that", "--socket", s.socket)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "nothing is called") {
		t.Errorf("%s, %v", out, err)
	}
}
