package site

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
)

// What the URL space costs a request, by the way it is answered; the response goes nowhere.
func BenchmarkServe(b *testing.B) {
	dir := b.TempDir()
	c := config.Default()
	conf := config.DefaultSite("a", dir)
	conf.Applications[0].Handlers = []config.Handler{
		{Path: "*.dll", ISAPI: true}, {Path: "/orders/*", Extension: "/x.so"}, {Path: "*.asp", Extension: "/x.so"},
	}
	for _, name := range []string{"app.dll", "p.asp"} {
		writeFile(b, dir, name)
	}
	s, err := New(c, &conf, func(string, *executor.App) (executor.Executor, error) { return quiet{}, nil }, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	for name, path := range map[string]string{"image": "/app.dll/a/b", "wildcard": "/orders/1", "script": "/p.asp"} {
		b.Run("how="+name, func(b *testing.B) {
			b.ReportAllocs()
			r := httptest.NewRequest("GET", path+"?a=b", nil)
			w := httptest.NewRecorder()
			for b.Loop() {
				s.ServeHTTP(w, r)
			}
			if w.Code != http.StatusOK {
				b.Errorf("%s: got %d", path, w.Code)
			}
		})
	}
}
