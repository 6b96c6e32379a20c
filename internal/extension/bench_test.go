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

// BenchmarkRequest asks: what does one request cost in-process, against the same bytes from bare net/http? One keep-alive
// connection, client included in both.
func BenchmarkRequest(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		benchmarkHandler(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			page := "<html><body>hello from " + r.Method + " " + r.URL.Path + "</body></html>\n"
			w.Header()["Content-Type"] = []string{"text/html"}
			w.Header()["Content-Length"] = []string{strconv.Itoa(len(page))}
			_, _ = io.WriteString(w, page)
		}))
	})
	b.Run("in-process", func(b *testing.B) {
		e, err := extension.Open(testext.Fixture(b, "hello"), executor.Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		defer e.Close(context.Background())
		app := &executor.App{SiteID: 1, Path: "/"}
		benchmarkHandler(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e.Execute(w, r, &executor.Target{ScriptName: r.URL.Path, App: app})
		}))
	})
}

func benchmarkHandler(b *testing.B, h http.Handler) {
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
