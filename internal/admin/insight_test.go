package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/hub"
	"github.com/isapid/isapid/internal/trace"
)

// TestRequests: requests in flight, and their calls, are there for who asks for them.
func TestRequests(t *testing.T) {
	all := everything()
	list := all.InFlight
	all.InFlight = nil
	socket, _ := serve(t, &fake{status: all, inFlight: list})
	c := client(t, socket)
	for _, calls := range []bool{true, false} {
		s, err := c.Requests(t.Context(), calls)
		if err != nil {
			t.Fatal(err)
		}
		want := []InFlight{list[0]}
		if !calls {
			want[0].LastCalls = nil
		}
		if !reflect.DeepEqual(s.InFlight, want) {
			t.Errorf("calls %v: got %+v, want %+v", calls, s.InFlight, want)
		}
	}
	if s, err := c.Status(t.Context()); err != nil || s.InFlight != nil {
		t.Errorf("nobody asked for %+v, %v", s.InFlight, err)
	}
	for _, query := range []string{"?requests=perhaps", "?requests=true&requests=true", "?what=1", "?%"} {
		if code, body := raw(t, socket, "GET", pathStatus+query, ""); code != http.StatusBadRequest || !strings.Contains(body, "the query cannot be read") {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
}

// TestSnoop: the pieces arrive as they are written; the stream ends with the server's, and the server's with the client.
func TestSnoop(t *testing.T) {
	ended := make(chan error, 1)
	more := make(chan struct{})
	f := &fake{snoop: func(ctx context.Context, write func([]byte) error) error {
		for n := 0; ; n++ {
			if err := write(fmt.Appendf(nil, "piece %d\n", n)); err != nil {
				ended <- err
				return nil
			}
			select {
			case _, open := <-more:
				if !open {
					ended <- nil
					return nil
				}
			case <-ctx.Done():
				ended <- ctx.Err()
				return nil
			}
		}
	}}
	socket, log := serve(t, f)
	c := client(t, socket)

	in, err := c.Snoop(t.Context(), trace.Filter{Pool: "legacy", Secrets: true})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	for n := range 3 {
		if got, err := in.Read(buf); err != nil || string(buf[:got]) != fmt.Sprintf("piece %d\n", n) {
			t.Fatalf("got %q, %v", buf[:got], err)
		}
		if n < 2 {
			more <- struct{}{}
		}
	}
	in.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the server's end: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	if in, err = c.Snoop(ctx, trace.Filter{}); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(in); !errors.Is(err, context.Canceled) {
		t.Errorf("read after the end of the context: %v", err)
	}
	in.Close()
	<-ended

	if in, err = c.Snoop(t.Context(), trace.Filter{}); err != nil {
		t.Fatal(err)
	}
	close(more)
	if all, err := io.ReadAll(in); err != nil || string(all) != "piece 0\n" {
		t.Errorf("got %q, %v", all, err)
	}
	in.Close()
	c.Close()
	if want := `path=/v1/snoop ` + whoKey; !strings.Contains(log.String(), want) || !strings.Contains(log.String(), `legacy`) {
		t.Errorf("the log has no %q:\n%s", want, log)
	}
}

// TestSnoopOutlives: a snoop goes on for longer than a request may take to arrive, and does not keep the socket from closing.
func TestSnoopOutlives(t *testing.T) {
	attached := make(chan struct{})
	f := &fake{snoop: func(ctx context.Context, write func([]byte) error) error {
		write([]byte("x"))
		close(attached)
		<-ctx.Done()
		return nil
	}}
	s, err := Listen(freePlace(t), f, quiet)
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, s.path)
	in, err := c.Snoop(t.Context(), trace.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	<-attached
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil || ctx.Err() != nil {
		t.Errorf("close: %v, %v", err, ctx.Err())
	}
	if all, err := io.ReadAll(in); err != nil || string(all) != "x" {
		t.Errorf("got %q, %v", all, err)
	}
}

func TestSnoopErrors(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
	}{
		{fmt.Errorf("%w: no such call", hub.ErrFilter), 400}, {hub.ErrMany, 409}, {ErrEnding, 409}, {errors.New("oops"), 500},
	} {
		socket, _ := serve(t, &fake{err: tt.err})
		_, err := client(t, socket).Snoop(t.Context(), trace.Filter{})
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Code != tt.code || !strings.Contains(e.Message, tt.err.Error()) {
			t.Errorf("%v: got %v", tt.err, err)
		}
	}
	socket, _ := serve(t, &fake{})
	if code, body := raw(t, socket, "POST", pathSnoop, `{"pol": 1}`); code != 400 {
		t.Errorf("an unknown field: %d %s", code, body)
	}
}

// TestSilentServer: a server that says nothing for too long is given up.
func TestSilentServer(t *testing.T) {
	socket, _ := serve(t, &fake{snoop: func(ctx context.Context, write func([]byte) error) error {
		write([]byte("x"))
		<-ctx.Done()
		return nil
	}})
	c := client(t, socket)
	c.stuckLimit = 50 * time.Millisecond
	in, err := c.Record(t.Context(), RecordRequest{Mask: true})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := io.ReadAll(in); !isNoServer(err) || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("got %v", err)
	}
}

func isNoServer(err error) bool {
	_, ok := errors.AsType[*NoServerError](err)
	return ok
}

func TestCrashes(t *testing.T) {
	f := &fake{crash: map[string]string{"a": `{"signal":"SIGSEGV"}`}}
	socket, _ := serve(t, f)
	c := client(t, socket)
	if list, err := c.Crashes(t.Context()); err != nil || len(list) != 1 || list[0].ID != "a" {
		t.Errorf("got %+v, %v", list, err)
	}
	if one, err := c.Crash(t.Context(), "a"); err != nil || strings.TrimSpace(string(one)) != f.crash["a"] {
		t.Errorf("got %s, %v", one, err)
	}
	if _, err := c.Crash(t.Context(), "b"); err == nil || !strings.Contains(err.Error(), `there is no crash "b"`) {
		t.Errorf("got %v", err)
	}
	if err := c.Reopen(t.Context()); err != nil || len(f.asked) != 1 || f.asked[0] != "reopen" {
		t.Errorf("reopen: %v, asked %q", err, f.asked)
	}
}

// TestSnoopBreaksOff: the end of a server that was killed does not look like that of one that has ended, nor like that of a stream that
// nobody read.
func TestSnoopBreaksOff(t *testing.T) {
	f := &fake{snoop: func(ctx context.Context, write func([]byte) error) error {
		write([]byte("x"))
		panic(http.ErrAbortHandler) // which is what the client sees of a write that took too long
	}}
	socket, _ := serve(t, f)
	in, err := client(t, socket).Snoop(t.Context(), trace.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := io.ReadAll(in); err == nil || isNoServer(err) || !strings.Contains(err.Error(), "has cut this off: what it sent was not read for 10 s") {
		t.Errorf("got %v", err)
	}
}

// TestSnoopOfTheDead: a server that dies says nothing; one that is there in its place is not taken for it.
func TestSnoopOfTheDead(t *testing.T) {
	for _, next := range []string{"", `{"uptime_seconds": 0.5}`} {
		socket := freePlace(t)
		l, _, err := (&binding{path: socket}).bind()
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			defer l.Close()
			for _, answer := range []string{"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(next), next)} {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					io.Copy(io.Discard, r.Body)
				}
				io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+answer)
				conn.Close()
				if next == "" {
					return
				}
			}
		}()
		in, err := client(t, socket).Snoop(t.Context(), trace.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		in.(*stream).began = time.Now().Add(-time.Minute)
		_, err = io.ReadAll(in)
		if !isNoServer(err) || !strings.Contains(err.Error(), "has died: it sent no end") || strings.Contains(err.Error(), "another") != (next != "") {
			t.Errorf("next %q: got %v", next, err)
		}
		in.Close()
		l.Close()
		<-ended
	}
}
