package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/testwait"
)

var (
	twoImages = []Image{{Path: "/srv/a.so", Applications: []string{"shop/", "shop/both"}}, {Path: "/srv/b.so", Applications: []string{"shop/both"}}}
	begins    = swap.Step{At: time.Date(2026, 11, 21, 3, 0, 0, 5, time.UTC), Text: "begins <&>"}
	ends      = swap.Step{At: time.Date(2026, 11, 21, 3, 0, 1, 0, time.UTC), Text: "ends"}
)

// emptyTemp has temporary files of this test lie in a folder of its own, and fails if one is left.
func emptyTemp(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir)
	t.Cleanup(func() {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
	return dir
}

// TestDeploy: the file arrives, each step is told while the swap goes on, the receipt comes as it is.
func TestDeploy(t *testing.T) {
	emptyTemp(t)
	told := make(chan swap.Step)
	f := &fake{images: twoImages, swap: func(_ context.Context, file string, step func(swap.Step)) (swap.Receipt, error) {
		code, err := os.ReadFile(file)
		if err != nil || string(code) != "new code" {
			return swap.Receipt{}, fmt.Errorf("file has %q, %w", code, err)
		}
		for _, s := range []swap.Step{begins, ends} {
			step(s)
			if got := <-told; got != s { // it is with the client now
				return swap.Receipt{}, fmt.Errorf("told %v", got)
			}
		}
		return *receipt(), nil
	}}
	socket, log := serve(t, f)
	c := client(t, socket)
	for _, wait := range []bool{true, false} {
		got, err := c.Deploy(t.Context(), "a", wait, strings.NewReader("new code"), 8, func(s swap.Step) { told <- s })
		if err != nil || !reflect.DeepEqual(got, *receipt()) {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, *receipt())
		}
	}
	if want := []string{"deploy" + me() + ": /srv/a.so, wait true", "deploy" + me() + ": /srv/a.so, wait false"}; !slices.Equal(f.asked, want) {
		t.Errorf("asked %q, want %q", f.asked, want)
	}
	c.Close()
	if line := "path=/v1/deploy " + whoKey; !strings.Contains(log.String(), line) || !strings.Contains(log.String(), "image=/srv/a.so") {
		t.Errorf("the log has no %q:\n%s", line, log)
	}
}

func TestRollback(t *testing.T) {
	f := &fake{images: twoImages, swap: func(_ context.Context, _ string, step func(swap.Step)) (swap.Receipt, error) {
		step(begins)
		return *receipt(), nil
	}}
	socket, _ := serve(t, f)
	c := client(t, socket)
	var steps []swap.Step
	for _, to := range []string{"", "2", "0123abcd"} {
		got, err := c.Rollback(t.Context(), "shop/", to, to == "2", func(s swap.Step) { steps = append(steps, s) })
		if err != nil || !reflect.DeepEqual(got, *receipt()) {
			t.Errorf("%q: got %+v, %v", to, got, err)
		}
	}
	if !slices.Equal(steps, []swap.Step{begins, begins, begins}) {
		t.Errorf("steps %v", steps)
	}
	who := "rollback" + me() + ": /srv/a.so to "
	if want := []string{who + `"", wait false`, who + `"2", wait true`, who + `"0123abcd", wait false`}; !slices.Equal(f.asked, want) {
		t.Errorf("asked %q, want %q", f.asked, want)
	}
}

func TestHistory(t *testing.T) {
	f := &fake{images: twoImages, receipts: []swap.Receipt{*receipt(), {ID: "0"}}}
	socket, _ := serve(t, f)
	c := client(t, socket)
	for last, want := range [][]swap.Receipt{f.receipts, f.receipts[:1], f.receipts, f.receipts} {
		got, err := c.History(t.Context(), "a.so", last)
		if err != nil || got.Image != "/srv/a.so" || !reflect.DeepEqual(got.Receipts, want) {
			t.Errorf("last %d: got %+v, %v", last, got, err)
		}
	}
	f.receipts = nil
	if got, err := c.History(t.Context(), "b", 0); err != nil || got.Receipts == nil || len(got.Receipts) != 0 {
		t.Errorf("none: got %+v, %v", got, err)
	}
}

// TestSwapRefused: what is wrong is said before anything is done.
func TestSwapRefused(t *testing.T) {
	const file = "code"
	for name, c := range map[string]struct {
		path, body    string
		err           error // of the server
		code          int
		message, hint string // parts of them
	}{
		"deploy: no image":      {pathDeploy, file, nil, 400, "no image is named", "there are: /srv/a.so (shop/, shop/both), /srv/b.so"},
		"deploy: no such image": {pathDeploy + "?image=x", file, nil, 404, `there is no image "x"`, "there are: /srv/a.so"},
		"deploy: two images":    {pathDeploy + "?image=shop/both", file, nil, 409, `"shop/both" may be 2 images`, "there are: /srv/a.so"},
		"deploy: unknown field": {pathDeploy + "?image=a&force=true", file, nil, 400, "the query cannot be read: force=", "send ?image=NAME&wait=true"},
		"deploy: no boolean":    {pathDeploy + "?image=a&wait=long", file, nil, 400, "the query cannot be read: wait=", "send ?"},
		"deploy: two names":     {pathDeploy + "?image=a&image=b", file, nil, 400, "the query cannot be read: image=", "send ?"},
		"deploy: bad query":     {pathDeploy + "?image=%zz", file, nil, 400, "the query cannot be read: ", "send ?"},
		"deploy: no file":       {pathDeploy + "?image=a", "", nil, 400, "the new version did not arrive: there is no body", "send the file"},
		"deploy: no such now":   {pathDeploy + "?image=a", file, fmt.Errorf("/srv/a.so was unloaded: %w", ErrNoImage), 404, `/srv/a.so was unloaded: there is no such image`, "there are: /srv/a.so"},
		"deploy: ending":        {pathDeploy + "?image=a", file, ErrEnding, 409, "the server is ending", ""},
		"deploy: unexpected":    {pathDeploy + "?image=a", file, errors.New("disk on fire"), 500, "disk on fire", ""},

		"rollback: no image":      {pathRollback, "", nil, 400, "no image is named", "there are: /srv/a.so"},
		"rollback: no such image": {pathRollback, `{"image":"x"}`, nil, 404, `there is no image "x"`, "there are: /srv/a.so"},
		"rollback: unknown field": {pathRollback, `{"image":"a","force":true}`, nil, 400, `unknown field "force"`, ""},
		"rollback: long body":     {pathRollback, `{"image":"` + strings.Repeat("x", 20<<10) + `"}`, nil, 413, "longer than 16384 bytes", ""},
		"rollback: no version":    {pathRollback, `{"image":"a","to":"latest"}`, nil, 400, `"latest" is no version`, "the number of a backup"},
		"rollback: no such one":   {pathRollback, `{"image":"a","to":"9"}`, fmt.Errorf("%w: there are 2 backups", swap.ErrNoVersion), 404, "there is no such version to go back to: there are 2 backups", "isapid history /srv/a.so"},

		"history: no image":   {pathHistory, "", nil, 400, "no image is named", ""},
		"history: two images": {pathHistory, `{"image":"shop/both"}`, nil, 409, "may be 2 images", ""},
		"history: less":       {pathHistory, `{"image":"a","last":-1}`, nil, 400, "last is -1", "0 is all"},
		"history: no such":    {pathHistory, `{"image":"a"}`, ErrNoImage, 404, "there is no such image", "there are: /srv/a.so"},
		"history: unexpected": {pathHistory, `{"image":"a"}`, errors.New("disk on fire"), 500, "disk on fire", ""},
	} {
		t.Run(name, func(t *testing.T) {
			emptyTemp(t)
			f := &fake{images: twoImages, err: c.err}
			socket, _ := serve(t, f)
			code, body := raw(t, socket, "POST", c.path, c.body)
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

// TestErrorBehindSteps: then the status is sent already, and the error is the last line.
func TestErrorBehindSteps(t *testing.T) {
	emptyTemp(t)
	socket, _ := serve(t, &fake{images: twoImages, swap: func(_ context.Context, _ string, step func(swap.Step)) (swap.Receipt, error) {
		step(begins)
		return swap.Receipt{}, ErrEnding
	}})
	steps := 0
	_, err := client(t, socket).Deploy(t.Context(), "a", true, strings.NewReader("x"), 1, func(swap.Step) { steps++ })
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != 409 || e.Error() != "the server is ending\nnothing can be changed any more" || steps != 1 {
		t.Errorf("got %#v after %d steps", err, steps)
	}
	resp := send(t, socket, pathDeploy+"?image=a", strings.NewReader("x"))
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	want := `{"step":{"at":"2026-11-21T03:00:00.000000005Z","text":"begins <&>"}}
{"error":{"error":"the server is ending","hint":"nothing can be changed any more"},"status":409}
`
	if err != nil || resp.StatusCode != 200 || string(body) != want || resp.Header.Get("Content-Type") != "application/jsonl" {
		t.Errorf("%s %v, %v: got\n%s\nwant\n%s", resp.Status, resp.Header, err, body, want)
	}
}

// TestTurn: who has to wait for another swap is told so.
func TestTurn(t *testing.T) {
	emptyTemp(t)
	f := &fake{images: twoImages, status: Status{Images: []swap.State{{Image: "/srv/a.so", Doing: "loading"}, {Image: "/srv/b.so"}}}}
	f.swap = func(context.Context, string, func(swap.Step)) (swap.Receipt, error) { return *receipt(), nil }
	socket, _ := serve(t, f)
	for image, want := range map[string][]string{"a": {"waiting for its turn; now: loading"}, "b": nil} {
		var told []string
		tell := func(s swap.Step) { told = append(told, s.Text) }
		if _, err := client(t, socket).Deploy(t.Context(), image, true, strings.NewReader("x"), 1, tell); err != nil || !slices.Equal(told, want) {
			t.Errorf("deploy %s: told %q, %v", image, told, err)
		}
		told = nil
		if _, err := client(t, socket).Rollback(t.Context(), image, "", true, tell); err != nil || !slices.Equal(told, want) {
			t.Errorf("rollback %s: told %q, %v", image, told, err)
		}
	}
}

// TestSignsOfLife: a server that only hangs is known by its silence, one that waits is not.
func TestSignsOfLife(t *testing.T) {
	for name, silent := range map[string]bool{"waits": false, "hangs": true} {
		t.Run(name, func(t *testing.T) {
			heard, ended := make(chan struct{}), make(chan struct{})
			socket := fakeHTTP(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				out := &lines{w: w}
				out.step(begins)
				if !silent {
					defer out.alive(time.Millisecond)()
				}
				<-heard
				if silent {
					<-ended
				}
				out.send(SwapLine{Receipt: receipt()})
			})
			c := client(t, socket)
			if c.stuckLimit != time.Minute {
				t.Errorf("limit %v", c.stuckLimit)
			}
			c.stuckLimit = 2 * time.Second
			if silent {
				c.stuckLimit = 50 * time.Millisecond
			}
			got, err := c.Rollback(t.Context(), "a", "", true, func(swap.Step) {
				time.AfterFunc(10*time.Millisecond, func() { close(heard) }) // there are lines in between
			})
			close(ended)
			switch {
			case !silent && (err != nil || got.ID != receipt().ID):
				t.Errorf("got %+v, %v", got, err)
			case silent && (err == nil || err.Error() != "the isapid at "+socket+" does not answer: it hangs, or the machine is very busy"):
				t.Errorf("got %v", err)
			}
		})
	}
}

// fakeHTTP serves f on a socket until the test ends.
func fakeHTTP(t *testing.T, f http.HandlerFunc) (socket string) {
	t.Helper()
	socket = freePlace(t)
	l, _, err := (&binding{path: socket}).bind()
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: f}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Shutdown(context.Background()); <-done })
	return socket
}

// send posts a body as it is.
func send(t *testing.T, socket, path string, body io.Reader) *http.Response {
	t.Helper()
	resp, err := (&http.Client{Transport: transport(socket)}).Post("http://isapid"+path, "", body)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// TestFileStaysHere: a file that is not wanted is not read.
func TestFileStaysHere(t *testing.T) {
	emptyTemp(t)
	f := &fake{images: twoImages}
	socket, _ := serve(t, f)
	c := client(t, socket)
	for name, want := range map[string]struct {
		image string
		size  int64
		code  int
	}{
		"no such image": {"x", 4, 404},
		"too large":     {"a", maxFile + 1, 413},
	} {
		_, err := c.Deploy(t.Context(), want.image, false, iotest.ErrReader(errors.New("it was read")), want.size, nil)
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != want.code {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if len(f.asked) > 0 {
		t.Errorf("the server was asked %q", f.asked)
	}
}

// TestTooLong: what does not say how long it is, is read up to the limit.
func TestTooLong(t *testing.T) {
	emptyTemp(t)
	deploy := routes[pathDeploy]
	t.Cleanup(func() { routes[pathDeploy] = deploy })
	short := deploy
	short.limit = 1 << 20
	routes[pathDeploy] = short
	f := &fake{images: twoImages, swap: func(context.Context, string, func(swap.Step)) (swap.Receipt, error) { return *receipt(), nil }}
	socket, _ := serve(t, f)
	for size, want := range map[int64]int{1 << 20: 200, 1<<20 + 1: 413} {
		resp := send(t, socket, pathDeploy+"?image=a", io.LimitReader(zeros{}, size))
		body, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != want {
			t.Errorf("%d bytes: got %s %s, %v", size, resp.Status, body, err)
		}
	}
	if len(f.asked) != 1 {
		t.Errorf("the server was asked %q", f.asked)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestLargeFile: it goes through in pieces.
func TestLargeFile(t *testing.T) {
	emptyTemp(t)
	const size = 64 << 20
	f := &fake{images: twoImages, swap: func(_ context.Context, file string, _ func(swap.Step)) (swap.Receipt, error) {
		st, err := os.Stat(file)
		if err == nil && st.Size() != size {
			err = fmt.Errorf("it has %d bytes", st.Size())
		}
		return *receipt(), err
	}}
	socket, _ := serve(t, f)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := client(t, socket).Deploy(t.Context(), "a", false, io.LimitReader(zeros{}, size), size, nil); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 { // of both ends
		t.Errorf("it took %d bytes of memory", took)
	}
}

// TestCutOff: half a file is never deployed.
func TestCutOff(t *testing.T) {
	dir := emptyTemp(t)
	f := &fake{images: twoImages}
	socket, _ := serve(t, f)
	half := func() io.Reader {
		return io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errors.New("the disk here is broken")))
	}
	c := client(t, socket)
	for want, file := range map[string]io.Reader{"the disk here is broken": half(), "it became shorter meanwhile": strings.NewReader("half")} {
		_, err := c.Deploy(t.Context(), "a", false, file, 8, nil)
		if _, ok := errors.AsType[*FileError](err); !ok || err.Error() != "the file cannot be sent: "+want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if resp, err := (&http.Client{Transport: transport(socket)}).Post("http://isapid"+pathDeploy+"?image=a", "", half()); err == nil { // in chunks
		resp.Body.Close()
		t.Errorf("got %s", resp.Status)
	}
	conn, err := dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s?image=a HTTP/1.1\r\nHost: isapid\r\nContent-Length: 8\r\n\r\nhalf", pathDeploy)
	if runtime.GOOS == "windows" {
		return // a pipe has no halves
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 400 ")) || !bytes.Contains(answer, []byte("the new version did not arrive: unexpected EOF")) {
		t.Errorf("got %s, %v", answer, err)
	}
	testwait.Until(t, "the files are removed", func() bool { left, err := os.ReadDir(dir); return err == nil && len(left) == 0 })
	if len(f.asked) > 0 {
		t.Errorf("the server was asked %q", f.asked)
	}
}

// TestSlowFile: a file may take longer than other requests.
func TestSlowFile(t *testing.T) {
	emptyTemp(t)
	const limit = 20 * time.Millisecond
	f := &fake{images: twoImages, swap: func(_ context.Context, file string, _ func(swap.Step)) (swap.Receipt, error) {
		code, err := os.ReadFile(file)
		if err == nil && string(code) != "slowly" {
			err = fmt.Errorf("file has %q", code)
		}
		return *receipt(), err
	}}
	socket := freePlace(t)
	l, _, err := (&binding{path: socket}).bind()
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: &handler{server: f, log: slog.New(slog.DiscardHandler), life: t.Context(), identify: ownerOnly}, ConnContext: withPeer, ReadTimeout: limit}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	defer func() { s.Close(); <-done }()
	from, to := io.Pipe()
	go func() {
		io.WriteString(to, "slow") // an error shows below
		time.Sleep(3 * limit)
		io.WriteString(to, "ly")
		to.Close()
	}()
	resp := send(t, socket, pathDeploy+"?image=a", from)
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
		t.Errorf("got %s %s, %v", resp.Status, body, err)
	}
}

// TestSwapGoesOn: a client that hangs up ends nothing; the file stays until nobody needs it.
func TestSwapGoesOn(t *testing.T) {
	dir := emptyTemp(t)
	leave, left := make(chan struct{}), make(chan error, 1)
	f := &fake{images: twoImages, swap: func(ctx context.Context, file string, step func(swap.Step)) (swap.Receipt, error) {
		step(begins)
		<-leave
		step(ends) // nobody hears it
		step(ends)
		_, err := os.Stat(file)
		left <- errors.Join(err, ctx.Err())
		return *receipt(), nil
	}}
	socket, _ := serve(t, f)
	ctx, hangUp := context.WithCancel(t.Context())
	c := NewClient(socket)
	_, err := c.Deploy(ctx, "a", true, strings.NewReader("x"), 1, func(swap.Step) { hangUp() })
	c.Close()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
	close(leave)
	if err := <-left; err != nil {
		t.Errorf("the swap was ended: %v", err)
	}
	testwait.Until(t, "the file is removed", func() bool { left, err := os.ReadDir(dir); return err == nil && len(left) == 0 })
}

// TestCloseLeavesSwaps: the end of the socket has nobody wait for a swap any longer.
func TestCloseLeavesSwaps(t *testing.T) {
	emptyTemp(t)
	socket := freePlace(t)
	begun := make(chan struct{})
	s, err := Listen(socket, &fake{images: twoImages, swap: func(ctx context.Context, _ string, _ func(swap.Step)) (swap.Receipt, error) {
		close(begun)
		<-ctx.Done()
		return swap.Receipt{}, ctx.Err()
	}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan error, 1)
	c := client(t, socket)
	go func() {
		_, err := c.Deploy(t.Context(), "a", true, strings.NewReader("x"), 1, nil)
		asked <- err
	}()
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := <-asked; err == nil {
		t.Error("the client got a receipt")
	}
}

// TestSweepReceived: what a killed server left goes, what another one is receiving stays.
func TestSweepReceived(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir)
	long := time.Now().Add(-leftAfter - time.Minute)
	for name, at := range map[string]time.Time{receivedPrefix() + "1": long, receivedPrefix() + "2": time.Now(), "other": long} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, receivedPrefix()+"3"), 0o700); err != nil {
		t.Fatal(err)
	}
	sweepReceived()
	var left []string
	list, err := os.ReadDir(dir)
	for _, e := range list {
		left = append(left, strings.TrimPrefix(e.Name(), receivedPrefix()))
	}
	slices.Sort(left)
	if want := []string{"2", "3", "other"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left %q, %v, want %q", left, err, want)
	}
}

// TestStrangeAnswers: a server that ends in the middle, and one of another kind.
func TestStrangeAnswers(t *testing.T) {
	const step, last = `{"step":{"at":"2026-11-21T03:00:00Z","text":"t"}}` + "\n", `{"receipt":{"id":"9"}}` + "\n"
	for name, c := range map[string]struct {
		status int
		lines  string
		want   string // the error; "": there is none
		steps  int
	}{
		"more fields":    {200, `{"more":1}` + "\n" + step + last, "", 1},
		"no last line":   {200, step + step, "no isapid answers at SOCKET: unexpected EOF", 2},
		"half a line":    {200, step + last[:len(last)-1], "no isapid answers at SOCKET: unexpected EOF", 1},
		"nothing":        {200, "", "no isapid answers at SOCKET: unexpected EOF", 0},
		"no JSON":        {200, "hello\n", "the answer of the isapid at SOCKET cannot be read: invalid character 'h' looking for beginning of value; are both of the same version?", 0},
		"another error":  {502, "hello\n", "the server answered 502 Bad Gateway", 0},
		"error in lines": {200, step + `{"error":{"error":"e","hint":"h"},"status":500}` + "\n", "e\nh", 1},
	} {
		t.Run(name, func(t *testing.T) {
			socket := fakeHTTP(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				w.WriteHeader(c.status)
				io.WriteString(w, c.lines)
			})
			steps := 0
			got, err := client(t, socket).Rollback(t.Context(), "a", "", true, func(swap.Step) { steps++ })
			if want := strings.ReplaceAll(c.want, "SOCKET", socket); want != "" && (err == nil || err.Error() != want) || want == "" && (err != nil || got.ID != "9") {
				t.Errorf("got %+v, %v\nwant %s", got, err, want)
			}
			if steps != c.steps {
				t.Errorf("%d steps, want %d", steps, c.steps)
			}
			_, none := errors.AsType[*NoServerError](err)
			if want := strings.HasPrefix(c.want, "no isapid"); none != want {
				t.Errorf("no server: %v, want %v", none, want)
			}
		})
	}
}
