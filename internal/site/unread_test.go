package site

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// What an executor in full duplex leaves of a body is not the next request, also where the site limits bodies.
func TestUnreadBodyIsNoRequest(t *testing.T) {
	const ahead, size = 48 << 10, 400_000
	f := start(t, []string{"app.dll"}, dllApp)
	ran := 0
	f.run = func(w http.ResponseWriter, r *http.Request, _ *executor.Target) {
		ran++
		_, _ = io.CopyN(io.Discard, r.Body, ahead)
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	c, err := net.Dial("tcp", f.server.Listener.Addr().String())
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(30*time.Second)))
	evil := strings.Repeat("GET /app.dll HTTP/1.1\r\nHost: h\r\n\r\n", size/30)
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = fmt.Fprintf(c, "POST /app.dll HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", size, (strings.Repeat("x", ahead) + evil)[:size])
	}()
	got, _ := io.ReadAll(c)
	c.Close()
	<-written
	f.server.Close()
	if n := strings.Count(string(got), "HTTP/1.1 "); n > 1 || ran != 1 {
		t.Errorf("%d answers to one request, the executor ran %d: %.300q", n, ran, got)
	}
}
