package extension_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/testext"
)

// handlers answer with the same bytes: with nothing but net/http, and with the extension hello.
func handlers(b *testing.B) []struct {
	name string
	http.Handler
} {
	e, err := extension.Open(testext.Fixture(b, "hello"), executor.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = e.Close(context.Background()) })
	app := &executor.App{SiteID: 1, Path: "/"}
	return []struct {
		name string
		http.Handler
	}{
		{"bare", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			page := "<html><body>hello from " + r.Method + " " + r.URL.Path + "</body></html>\n"
			w.Header()["Content-Type"] = []string{"text/html"}
			w.Header()["Content-Length"] = []string{strconv.Itoa(len(page))}
			_, _ = io.WriteString(w, page)
		})},
		{"in-process", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e.Execute(w, r, &executor.Target{ScriptName: r.URL.Path, App: app})
		})},
	}
}

// BenchmarkRequest asks: what does one request cost in-process, against the same bytes from bare net/http? One keep-alive
// connection, client included in both.
func BenchmarkRequest(b *testing.B) {
	for _, h := range handlers(b) {
		b.Run(h.name, func(b *testing.B) { benchmarkServer(b, h) })
	}
}

// BenchmarkHandler asks: what does the handler alone cost, without a connection?
func BenchmarkHandler(b *testing.B) {
	for _, h := range handlers(b) {
		b.Run(h.name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/hello", nil)
			w := &discard{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
		})
	}
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

func benchmarkServer(b *testing.B, h http.Handler) {
	srv := httptest.NewServer(h)
	defer srv.Close()
	c, err := net.Dial("tcp", strings.TrimPrefix(srv.URL, "http://"))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	br := bufio.NewReader(c)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = io.WriteString(c, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
	}
}
