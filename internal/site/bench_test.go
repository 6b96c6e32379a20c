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
	conf.Applications = append(conf.Applications, config.Application{Path: "/filtered", Pool: config.DefaultPoolName})
	conf.Applications[1].Handlers, conf.Applications[1].Filters = conf.Applications[0].Handlers, []string{"/f.so"}
	open := func(string, *executor.App) (executor.Executor, error) { return quiet{}, nil }
	chains := func(*executor.App, []executor.FilterRef) (executor.Chain, error) {
		return fakeChain{f: &fixture{}}, nil
	}
	serve := func(s *Site, name, path string) {
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
	with, err := New(c, &conf, open, chains, nil)
	if err != nil {
		b.Fatal(err)
	}
	conf.Applications = conf.Applications[:1]
	without, err := New(c, &conf, open, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	for name, path := range map[string]string{"image": "/app.dll/a/b", "wildcard": "/orders/1", "script": "/p.asp"} {
		serve(without, name, path)
	}
	serve(with, "beside-filters", "/orders/1")
	serve(with, "filters", "/filtered/orders/1")
}
