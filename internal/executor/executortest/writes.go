package executortest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/testwait"
)

func testWrites(t *testing.T, s *suite) {
	t.Run("Progress", func(t *testing.T) { testProgress(t, s) })
	t.Run("Gone", func(t *testing.T) { testGone(t, s) })
}

// testProgress: what was written reaches the client while the extension still runs. The fixture goes on only when the
// client has it.
func testProgress(t *testing.T, s *suite) {
	for _, tt := range []struct {
		name  string
		flush time.Duration
		steps string // the first part of the response
	}{
		{"by time", 0, "send= | write=first"},
		{"unbuffered", -1, "send= | write=first"},
		{"SET_FLUSH_FLAG", time.Hour, "flush=1 | send= | write=first"},
		{"SET_FLUSH_FLAG after the write", time.Hour, "send= | write=first | flush=1"},
		{"HSE_IO_NODELAY", time.Hour, "send= | nodelay=first"},
		{"known length", 0, "header=Content-Length: 9\r\n\r\n | ex= | write=first"},
		{"own chunks", 0, "header=Transfer-Encoding: chunked\r\n\r\n | ex= | write=5\r\nfirst\r\n"},
		{"raw", 0, "write=HTTP/1.1 200 OK\r\n\r\nfirst"},
		{"no head", 0, "write=<p>first"},
		{"TRANSMIT_FILE", time.Hour, "header=X-A: 1\r\n\r\nfirst | transmit="},
	} {
		srv := s.serve(t, "play", executor.Options{Flush: tt.flush})
		file := srv.root + "/go-on"
		last := "last"
		if tt.name == "own chunks" {
			last = "4\r\nlast\r\n0\r\n\r\n"
		}
		c := srv.dial()
		fmt.Fprintf(c, "GET /app.dll?%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", script(tt.steps+" | wait="+file+" | write="+last))
		r := bufio.NewReader(c)
		var got strings.Builder
		for !strings.Contains(got.String(), "first") {
			b, err := r.ReadByte()
			if err != nil {
				t.Fatalf("%s: %v after %q: the first part came not before the end", tt.name, err, got.String())
			}
			got.WriteByte(b)
		}
		if strings.Contains(got.String(), "last") {
			t.Errorf("%s: %q", tt.name, got.String())
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(r); err != nil || !strings.Contains(string(rest), "last") {
			t.Errorf("%s: rest %q, %v", tt.name, rest, err)
		}
		c.Close()
	}
}

// testGone: WriteClient fails when the client is away, however it went.
func testGone(t *testing.T, s *suite) {
	srv := s.serve(t, "bulk", executor.Options{})
	for _, how := range []string{"close", "reset"} {
		file := srv.root + "/" + how
		c := srv.dial()
		fmt.Fprintf(c, "GET /app.dll?gone=%s HTTP/1.1\r\nHost: h\r\n\r\n", file)
		if _, err := io.ReadFull(c, make([]byte, 100_000)); err != nil {
			t.Fatal(err)
		}
		if how == "reset" {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		c.Close()
		if got := waitFile(t, file); got != "10054" && got != "64" && got != "995" {
			t.Errorf("%s: WriteClient failed with %s, want 10054, 64 or 995", how, got)
		}
	}
	if got := srv.get("down=5").Body; got != "\x00\x00\x00\x00\x00" {
		t.Errorf("a request after clients that left: %q", got)
	}
}

// waitFile waits for a file the fixture leaves, and reads it.
func waitFile(t *testing.T, name string) (text string) {
	t.Helper()
	testwait.Until(t, "file "+name, func() bool {
		b, err := os.ReadFile(name)
		text = string(b)
		return err == nil
	})
	return text
}
