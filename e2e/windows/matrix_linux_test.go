package windows

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/executor/executortest"
	"github.com/isapid/isapid/internal/testext"
)

// TestMatrix: what harmful DLLs cost when they run in the process of isapid.exe. All that it survives is done to one server; what ends a server has
// one for itself.
func TestMatrix(t *testing.T) {
	m := newMachine(t)
	v := m.victim()
	for i := range executortest.MatrixOfDLLs {
		b := &executortest.MatrixOfDLLs[i]
		if b.Fixture == "havocload" && b.As != "unload-thread" || b.Query == "heap" {
			continue // a load or an unload that does not end is waited for too long here; a corrupt heap may do anything
		}
		t.Run(b.Name, func(t *testing.T) {
			v := v
			v.machine = m.in(t)
			if !b.InProcess.Survives {
				v = m.in(t).victim()
			}
			switch name := v.put(b); b.When {
			case executortest.InRequest:
				v.request(b, name)
			case executortest.AtLoad:
				v.load(b, name)
			case executortest.AtUnload:
				v.unload(b, name)
			}
			if b.InProcess.Survives {
				v.serves()
			}
		})
	}
	v.machine = m
	v.press("\x03")
	v.press("\x03")  // requests that hang
	_ = v.cmd.Wait() // however it ends
}

// endsTheServer is what the matrix notes of a row that does.
const endsTheServer = "ends the server"

// victim is isapid.exe that runs DLLs in its own process.
type victim struct {
	*console
	dir string
	url string
}

func (m *machine) victim() *victim {
	m.t.Helper()
	dir, address := m.t.TempDir(), served.Free(m.t)
	served.Write(m.t, filepath.Join(dir, "isapid.yaml"), fmt.Sprintf(`
sites:
  - name: site
    bindings: ["http://%s"]
    root: .
    applications: [{path: /, pool: inside, handlers: [{path: "*.dll", isapi: true}]}]
pools:
  inside: {mode: in-process, update: {window: 0s}}
control: {socket: '\\.\pipe\victim-%s'}
`, address, strings.TrimPrefix(address, "127.0.0.1:")))
	served.Copy(m.t, testext.DLL(m.t, "amd64", "hello"), filepath.Join(dir, "hello.dll"))
	v := &victim{m.start(dir, "serve"), dir, "http://" + address + "/"}
	v.shows("press Ctrl-C")
	return v
}

// put puts the image of a row into the site, under a name of its own if the image does not look at that.
func (v *victim) put(b *executortest.Behaviour) (name string) {
	v.t.Helper()
	dll := b.DLL(v.t, "amd64")
	if name = filepath.Base(dll); b.As == "" {
		name = strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' {
				return r
			}
			return '-'
		}, strings.ToLower(b.Name)) + ".dll"
	}
	served.Copy(v.t, dll, filepath.Join(v.dir, name))
	return name
}

// ask asks an image, and answers what the client sees in the words of the matrix.
func (v *victim) ask(method, image, query, body string) int {
	ctx, cancel := context.WithTimeout(v.t.Context(), patience)
	if hangs := query == "spin" || query == "deadlock" || query == "never"; hangs {
		cancel()
		ctx, cancel = context.WithTimeout(v.t.Context(), time.Second)
	}
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, method, v.url+image+"?"+query, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	q.Close = true
	resp, err := http.DefaultClient.Do(q)
	if err == nil {
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return executortest.NoAnswer
	case err != nil:
		return executortest.Broken
	}
	return resp.StatusCode
}

// serves fails the test unless other images are served.
func (v *victim) serves() {
	v.t.Helper()
	if got := v.ask("GET", "hello.dll", "", ""); got != http.StatusOK {
		v.t.Errorf("another image: %d", got)
	}
}

// says waits for what the operator reads.
func (v *victim) says(e *executortest.Expectation) {
	v.t.Helper()
	switch {
	case e.Note == endsTheServer:
		_ = v.cmd.Wait() // however it ends
	case e.Log != "":
		v.shows(e.Log)
	}
}

func (v *victim) request(b *executortest.Behaviour, name string) {
	v.t.Helper()
	if got := v.ask("GET", name, "fine", ""); got != http.StatusOK {
		v.t.Errorf("before: %d", got)
	}
	method := b.Method
	if method == "" {
		method = "GET"
	}
	if got := v.ask(method, name, b.Query, b.Body); !slices.Contains(b.InProcess.Status, got) {
		v.t.Errorf("the client sees %d, want one of %d", got, b.InProcess.Status)
	}
	v.says(&b.InProcess)
}

func (v *victim) load(b *executortest.Behaviour, name string) {
	v.t.Helper()
	want := http.StatusInternalServerError
	if !b.InProcess.Survives {
		want = executortest.Broken
	}
	if got := v.ask("GET", name, "", ""); got != want {
		v.t.Errorf("the client sees %d, want %d", got, want)
	}
	v.says(&b.InProcess)
}

// unload has another image take the place of the one of a row.
func (v *victim) unload(b *executortest.Behaviour, name string) {
	v.t.Helper()
	if got := v.ask("GET", name, "", ""); got != http.StatusOK {
		v.t.Errorf("before: %d", got)
	}
	served.Copy(v.t, filepath.Join(v.dir, "hello.dll"), filepath.Join(v.dir, name+".update"))
	v.shows("who=" + name + ".update")
	v.says(&b.InProcess)
}
