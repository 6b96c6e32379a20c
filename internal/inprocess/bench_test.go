package inprocess_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/inprocess"
	"github.com/isapid/isapid/internal/testext"
)

// BenchmarkExecute asks: what does a request pay for an image that can be replaced, against the same extension alone? With one
// client, and with one for each processor.
func BenchmarkExecute(b *testing.B) {
	o := executor.Options{Version: executor.Version{File: testext.Fixture(b, "hello")}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	for _, c := range []struct {
		name string
		open func() (executor.Executor, error)
	}{
		{"extension", func() (executor.Executor, error) { return extension.Open("shop.so", o) }},
		{"replaceable", func() (executor.Executor, error) { return inprocess.Open("shop.so", o, limits) }},
	} {
		e, err := c.open()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			r, w := httptest.NewRequest("GET", "/shop.so", nil), &discard{header: http.Header{}}
			for b.Loop() {
				clear(w.header)
				e.Execute(w, r, &executor.Target{})
			}
		})
		b.Run(c.name+", parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				r, w := httptest.NewRequest("GET", "/shop.so", nil), &discard{header: http.Header{}}
				for p.Next() {
					clear(w.header)
					e.Execute(w, r, &executor.Target{})
				}
			})
		})
		if err := e.Close(b.Context()); err != nil {
			b.Error(err)
		}
	}
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}
