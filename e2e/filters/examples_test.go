package filters

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/testext"
)

// example is a copy of an example, with files beside it.
func example(t *testing.T, name string, beside map[string]string) []string {
	t.Helper()
	lib := testext.Example(t, name)
	file := filepath.Join(t.TempDir(), filepath.Base(lib))
	served.Copy(t, lib, file)
	for name, content := range beside {
		served.Write(t, filepath.Join(filepath.Dir(file), name), content)
	}
	return []string{file}
}

func TestExampleRewriter(t *testing.T) {
	rules := map[string]string{"rewriter.txt": "# rules\n/shop/ /play/\n301 /old/ /new/\n\n301 onlytwo\n/one /other.txt\n"}
	each(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: example(t, "filter-rewriter", rules), handlers: extensions, images: images(t, mode)})
		c := s.dial()
		c.ask("GET /shop/x?write=reached").want(t, 200, "reached")
		moved := c.ask("GET /old/a/b?c")
		moved.want(t, 301, "")
		moved.wantHeader(t, "Location", "/new/a/b?c")
		c.ask("GET /one").want(t, 200, "other\n")
		c.ask("GET /page.txt").want(t, 200, "hello\n")
		c.ask("GET /page.txt?"+strings.Repeat("x", 2040)).want(t, 200, "hello\n") // longer than the rules look at
		if _, err := try(t, layout{mode: mode, app: example(t, "filter-rewriter", nil)}); err == nil {
			t.Error("it was loaded without its rules")
		}
	})
}

func TestExampleBasicAuth(t *testing.T) {
	users := map[string]string{"users.txt": "ada:lovelace\nempty:\ncolon:a:b\n"}
	each(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: example(t, "filter-basic-auth", users), lines: []string{"authentication: {anonymous: false, basic: {realm: shop}}"}})
		c := s.dial()
		page := "<html><body>Please tell the right name and password.</body></html>\n"
		for _, header := range []string{"X-A: b", basic("ada", "wrong"), basic("ada", ""), basic("", "lovelace"), basic("bob", "lovelace"), basic("empty", "x")} {
			res := c.ask("GET /page.txt", header)
			res.want(t, 401, page)
			res.wantHeader(t, "Www-Authenticate", `Basic realm="shop", charset="UTF-8"`)
		}
		c.ask("GET /page.txt", basic("ada", "lovelace")).want(t, 200, "hello\n")
		c.ask("GET /page.txt", basic("colon", "a:b")).want(t, 200, "hello\n")
		if log := s.accessLog(8); log[6]["user"] != "ada" {
			t.Errorf("logged as %v", log[6])
		}
	})
}

func TestExampleTimer(t *testing.T) {
	each(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: example(t, "filter-timer", nil)})
		c := s.dial()
		for _, n := range []string{"1", "2", "3"} {
			told := c.ask("GET /page.txt").Header.Get("X-Time")
			if !regexp.MustCompile(`^\d+\.\d{3} ms, request ` + n + ` of this connection$`).MatchString(told) {
				t.Errorf("X-Time of request %s is %q", n, told)
			}
		}
	})
}

func TestExampleLog(t *testing.T) {
	each(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: example(t, "filter-log", nil)})
		s.get("/page.txt?a=b&Password=secret&x=key=y&token=&key=1", "User-Agent: tester")
		s.get("/page.txt")
		log := s.accessLog(2)
		for field, want := range map[string]string{"client": "127.0.0.0", "url": "/page.txt [tester]?a=b&Password=***&x=key=y&token=***&key=***"} {
			if log[0][field] != want {
				t.Errorf("%s is %v, want %q", field, log[0][field], want)
			}
		}
	})
}

func TestExampleUpcase(t *testing.T) {
	s := start(t, layout{mode: config.ModeInProcess, app: example(t, "filter-upcase", nil), handlers: extensions, images: images(t, config.ModeInProcess)})
	c := s.dial()
	for range 2 {
		c.ask("GET /page.txt").want(t, 200, "HELLO\n")
		s.get("/play/x?header=Content-Type:text/plain%0d%0a%0d%0a&send=&write=one&flush=1&write=two+lines%0a&write="+strings.Repeat("y", 50)).
			want(t, 200, "ONETWO LINES\n"+strings.Repeat("Y", 50))
	}
	if _, err := try(t, layout{mode: config.ModeIsolated, app: example(t, "filter-upcase", nil)}); err == nil {
		t.Error("it was loaded in an isolated pool")
	}
}
