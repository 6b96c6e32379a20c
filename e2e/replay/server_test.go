//go:build linux

package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/testext"
)

// server is a running isapid.
type server struct {
	*served.Process
	t      *testing.T
	dir    string
	url    string
	socket string
}

// serve starts a server with one application in a mode; handlers and filters as YAML.
func serve(t *testing.T, mode, handlers, filters string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir()}
	s.socket = filepath.Join(s.dir, "run", "c.sock")
	file := filepath.Join(s.dir, "isapid.yaml")
	text := fmt.Sprintf(`
control: {socket: %s}
sites:
  - name: shop
    root: %s
    bindings: ["http://127.0.0.1:0"]
    filters: [%s]
    applications:
      - path: /
        handlers: [%s]
pools:
  default: {mode: %s}
`, s.socket, s.folder("root"), filters, handlers, mode)
	served.Write(t, file, text)
	cmd := exec.Command(testext.Program(t, ""), "serve", "-c", file, "--json")
	cmd.Env = append(os.Environ(), "STATE_DIRECTORY=")
	s.Process = served.Start(t, cmd)
	s.url = s.URLs()[0]
	return s
}

func (s *server) folder(name string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(path, 0o700); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// recording is "isapid record" while it runs.
type recording struct {
	*served.Process
	t    *testing.T
	file string

	missing int // requests, at the end
}

// record begins a recording, and returns when the server knows of it.
func (s *server) record(name string, args ...string) *recording {
	s.t.Helper()
	r := &recording{t: s.t, file: filepath.Join(s.dir, name)}
	args = append([]string{"record", r.file, "--socket", s.socket, "--json"}, args...)
	r.Process = served.Start(s.t, exec.Command(testext.Program(s.t, ""), args...))
	r.Until("recording", func() bool { return r.Err.Has("recording") })
	return r
}

// end waits for its end and says how many requests it has.
func (r *recording) end() (requests int) {
	r.t.Helper()
	r.Wait()
	var said struct{ Requests, Unusable, Incomplete, Missing int }
	if err := json.Unmarshal([]byte(r.Out.String()), &said); err != nil || said.Unusable != 0 || said.Incomplete != 0 {
		r.t.Errorf("record says %s, %v", &r.Out, err)
	}
	if fi, err := os.Stat(r.file); err != nil || fi.Mode().Perm() != 0o600 {
		r.t.Errorf("the tape: %v, %v", fi, err)
	}
	r.missing = said.Missing
	return said.Requests
}

// load is requests of some clients at a time, until each has sent so many. The answers are as they should be.
func (s *server) load(clients, each int) {
	s.t.Helper()
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for n := range each {
				method, body := "GET", ""
				if n%3 == 1 {
					method, body = "POST", strings.Repeat("some body ", 1+c*n*7%9000)
				}
				s.ask(method, fmt.Sprintf("/p%d?x=%d", c, n), body)
			}
		})
	}
	all.Wait()
}

// ask sends one request.
func (s *server) ask(method, target, body string) string {
	q, err := http.NewRequest(method, s.url+target, strings.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return ""
	}
	q.Header.Set("Cookie", "secret=1")
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		s.t.Error(err)
		return ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Errorf("%s %s: %d, %v", method, target, res.StatusCode, err)
	}
	return string(text)
}

// verdict is what "isapid replay --json" prints.
type verdict struct {
	Requests, Differ, Skipped, Crashes, Missing int

	Cut         bool `json:"tape_cut"`
	Differences []struct {
		Number         int
		Method, Target string
		What           []struct {
			What, Name, Recorded, Now, Absent, Argument string
			Offset, Call                                int
		}
		Crashes []struct {
			Text  string
			Stack []string
		}
	}
}

// replay plays a tape and returns the exit code with what it says.
func replay(t *testing.T, tape string, args ...string) (code int, v verdict, text string) {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd := exec.Command(testext.Program(t, ""), append([]string{"replay", tape, "--json"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	} else if ok {
		code = exit.ExitCode()
	}
	text = out.String() + errOut.String()
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &v); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	}
	return code, v, text
}

func build(t *testing.T, flags ...string) string { return testext.Fixture(t, "recorded", flags...) }

// filter is one that sees every request and changes nothing but a header line.
func filter(t *testing.T) string { return testext.Fixture(t, "filter_noop") }
