package site

import (
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/config"
)

func TestDescribe(t *testing.T) {
	f := startWith(t, []string{"a.so", "shop/", "users=joe:" + secret}, `
filters: [www/a.so]
applications:
  - path: /
    handlers:
      - {path: "*.dll", isapi: true}
      - {path: "*.css", static: true}
  - path: /shop
    pool: fast
    handlers:
      - {path: "*.asp", extension: www/a.so}
      - {path: /orders/*, extension: www/a.so}
    authentication: {basic: {realm: shop, users: www/users}}
`, "pools: {fast: {}}\n")
	s, err := New(f.conf, &f.conf.Sites[0], f.open, f.chains, nil)
	must(t, err)
	so := filepath.Join(f.dir, "a.so")
	want := []Row{
		{"/shop", "*", "filter", "fast", so},
		{"/shop", "*", "basic", "", filepath.Join(f.dir, "users")},
		{"/shop", "*.asp", "script map", "fast", so},
		{"/shop", "/orders/*", "extension", "fast", so},
		{"/shop", "*", "static", "", ""},
		{"/", "*", "filter", "default", so},
		{"/", "*.dll", "isapi", "default", ""},
		{"/", "*.css", "static", "", ""},
		{"/", "*", "static", "", ""},
	}
	if got := s.Describe(); !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %v\nwant %v", got, want)
	}
}

// A configuration that did not come from a file is checked where it could not work.
func TestNewRefuses(t *testing.T) {
	handler := func(h config.Handler) func(*config.Site) {
		return func(s *config.Site) { s.Applications[0].Handlers = []config.Handler{h} }
	}
	for want, change := range map[string]func(*config.Site){
		`has no application "/"`:      func(s *config.Site) { s.Applications = nil },
		`pool "none" is not defined`:  func(s *config.Site) { s.Applications[0].Pool = "none" },
		`handler "*": nothing to run`: handler(config.Handler{Path: "*"}),
		`handler "*": isapi needs`:    handler(config.Handler{Path: "*", ISAPI: true}),
		`handler "x": not a pattern`:  handler(config.Handler{Path: "x", Extension: "/x.so"}),
	} {
		c := config.Default()
		s := config.DefaultSite("a", t.TempDir())
		change(&s)
		_, err := New(c, &s, (&fixture{}).open, nil, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: got %v, want %q", err, want)
		}
	}
	s := config.DefaultSite("a", t.TempDir())
	if _, err := New(config.Default(), &s, nil, nil, nil); err == nil {
		t.Error("New without an opener: no error")
	}
}
