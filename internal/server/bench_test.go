package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// What does a request through Server cost more than through net/http alone? Both with the same timeouts. The client
// is the same few lines in both.
func BenchmarkHello(b *testing.B) {
	bare := func(b *testing.B, h *http.Server) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		h.Handler = http.HandlerFunc(hello)
		done := make(chan struct{})
		go func() { defer close(done); _ = h.Serve(l) }()
		b.Cleanup(func() { _ = h.Close(); <-done })
		return l.Addr().String()
	}
	ways := []struct {
		name  string
		start func(b *testing.B) string
	}{
		{"net-http", func(b *testing.B) string { return bare(b, &http.Server{}) }},
		{"net-http-timeouts", func(b *testing.B) string {
			return bare(b, &http.Server{ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, WriteTimeout: 2 * time.Minute})
		}},
		{"server", func(b *testing.B) string { return start(b, Limits{}, site("s", hello)).Addrs()[0].String() }},
	}
	requests := map[string]string{
		"GET":  "GET /some/path?a=b HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n",
		"POST": "POST /some/path?a=b HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: bench\r\nContent-Length: 11\r\n\r\nhello=world",
	}
	for method, request := range requests {
		for _, way := range ways {
			b.Run("method="+method+"/way="+way.name, func(b *testing.B) {
				addr := way.start(b)
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) { benchClient(b, pb, addr, request) })
			})
		}
	}
}

func benchClient(b *testing.B, pb *testing.PB, addr, request string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Error(err)
		return
	}
	defer c.Close()
	r := bufio.NewReader(c)
	body := make([]byte, len("hello"))
	for pb.Next() {
		_, _ = io.WriteString(c, request)
		for { // up to the blank line
			line, err := r.ReadSlice('\n')
			if err != nil {
				b.Error(err)
				return
			}
			if len(line) == len("\r\n") {
				break
			}
		}
		// A client that loses count would not wait for answers, and measure nothing.
		if n, err := io.ReadFull(r, body); err != nil || string(body) != "hello" || r.Buffered() != 0 {
			b.Errorf("body: got %q, %v, and %d bytes after it", body[:n], err, r.Buffered())
			return
		}
	}
}
