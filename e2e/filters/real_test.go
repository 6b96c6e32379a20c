package filters

import (
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/config"
)

// A connector: filter and extension in one library that is loaded once.
func TestConnector(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		for _, place := range []string{"PREPROC_HEADERS", "AUTH_COMPLETE"} {
			t.Run(place, func(t *testing.T) {
				flags := []string(nil)
				if place == "AUTH_COMPLETE" {
					flags = []string{"-DLATE"}
				}
				image, url := filters(t, mode, built("filter_connector", flags...)), "/connector"+ending(mode)
				s := start(t, layout{mode: mode, app: image, handlers: `{path: ` + url + `/*, extension: "` + image[0] + `"}`})
				c := s.dial()
				c.ask("POST /app/x?y", "Translate: f", "X-Connector-Uri: /forged", "", "body").
					want(t, 200, "connector uri=/app/x?y translate=f seen=1 loads=2 method=POST body=4\n")
				c.ask("GET "+url, "X-Connector-Uri: /forged").
					want(t, 200, "connector uri= translate= seen= loads=2 method=GET body=0\n")
				c.ask("GET /page.txt").want(t, 200, "hello\n")
				big := strings.Repeat("x", 300_000)
				c.ask("POST /app/big", "", big).want(t, 200, "connector uri=/app/big translate= seen=1 loads=2 method=POST body=300000\n")
				refused := c.ask("GET /app/WEB-INF/x")
				refused.want(t, 404, "<p>not for you</p>\n")
				if refused.line != "HTTP/1.1 404 Not for you" || refused.Header.Get("X-Refused") != "yes" || refused.Header.Get("Content-Type") != "text/html" {
					t.Errorf("refused with %q %v", refused.line, refused.Header)
				}
				if log := s.accessLog(5); log[0]["url"] != "/app/x?y?y" {
					t.Errorf("logged as %v", log[0])
				}
				s.stop()
				if ends := strings.Join(s.trace(), ", "); ends != "TerminateExtension connector, TerminateFilter connector" &&
					ends != "TerminateFilter connector, TerminateExtension connector" {
					t.Errorf("the library ended with %s", ends)
				}
			})
		}
	})
}

// What a filter leaves in memory of its thread is there for the extension in the same library.
func TestThread(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		image := filters(t, mode, built("filter_thread"))
		s := start(t, layout{
			mode: mode, app: image, lines: []string{"authentication: {basic: {realm: r}}"}, handlers: `{path: /who/*, extension: "` + image[0] + `"}`,
		})
		c := s.dial()
		c.ask("GET /who").want(t, 200, "user= password=\n")
		for _, user := range []string{"one", "two"} {
			s.get("/who", basic(user, "pw-"+user)).want(t, 200, "user="+user+" password=pw-"+user+"\n")
		}
	})
}

func TestSession(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, site: filters(t, mode, built("filter_session"), named("a", "-DEVENTS=SF_NOTIFY_PREPROC_HEADERS"))})
		away := s.get("/page.txt", "Remote-User: root")
		away.want(t, 302, "<html><body>Redirecting...</body></html>")
		if away.line != "HTTP/1.1 302 Please Wait" || away.Header.Get("Location") != "/login" || away.Header.Get("Cache-Control") != "private,no-store,no-cache" {
			t.Errorf("got %q %v", away.line, away.Header)
		}
		c := s.dial()
		for _, checked := range []string{"1", "2", "3"} {
			res := c.ask("GET /page.txt", "Cookie: other=1; session=alice; x=y", "Remote-User: root", "remote-user: admin",
				do("PREPROC_HEADERS=get:Remote-User:; PREPROC_HEADERS=var:HTTP_REMOTE_USER"))
			res.want(t, 200, "hello\n")
			res.wantHeader(t, "X-User", "alice")
			res.wantHeader(t, "X-Checked", checked) // one context for the connection
		}
		log := s.accessLog(4)
		if log[0]["user"] != nil || log[3]["user"] != "alice" {
			t.Errorf("logged as %v and %v", log[0], log[3])
		}
		for _, line := range s.trace() {
			if strings.Contains(line, "root") || strings.Contains(line, "admin") {
				t.Errorf("the client's own header got through: %s", line)
			}
		}
		s.untilTrace("var HTTP_REMOTE_USER alice", 3)
	})
}

func TestCookie(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, global: filters(t, mode, built("filter_cookie"))})
		c := s.dial()
		for i, instance := range []string{"none", "1", "1"} {
			res := c.ask("GET /page.txt")
			res.want(t, 200, "hello\n")
			if i < 2 { // LOG comes when the client has its answer
				s.accessLog(i + 1)
			}
			res.wantHeader(t, "X-Live", "1")
			res.wantHeader(t, "X-Instance", instance)
		}
		probe := c.ask("GET /probe")
		probe.want(t, 404, "*")
		probe.wantHeader(t, "X-Live", "")
		s.untilTrace("cookie disable 0", 1)
		c.ask("GET /page.txt").wantHeader(t, "X-Live", "1") // the next request has them again
	})
}

func TestRewriter(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, built("filter_rewriter")), handlers: extensions + `, {path: /body/*, extension: DIR/images/connector.so}`,
			images: append(images(t, mode), renamedConnector(t, mode))})
		c := s.dial()
		c.ask("GET /old/page.txt?q").want(t, 200, "hello\n")
		c.ask("GET /page.txt").want(t, 200, "hello\n")
		c.ask("GET /none.txt").want(t, 404, "*")
		body := strings.Repeat("b", 100_000)
		c.ask("POST /old/body/x", "", body).want(t, 200, "connector uri= translate= seen= loads=1 method=POST body=100000\n")
		c.ask("GET /proxy").want(t, 200, "hello, world")
		c.ask("GET /page.txt").want(t, 200, "hello\n") // the connection was kept
		away := c.ask("GET /away/there")
		away.want(t, 302, "")
		if away.Header.Get("Location") != "/there" || !away.Close || away.ContentLength != 0 {
			t.Errorf("got %q %v", away.line, away.Header)
		}
	})
}

func TestUsers(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, global: filters(t, mode, built("filter_users")), applications: []string{secret(t)}})
		c := s.dial()
		c.ask("GET /secret/page.txt", basic("web", "any")).want(t, 200, "secret\n")
		c.ask("GET /secret/page.txt", basic("web", "any")).want(t, 200, "secret\n")
		s.get("/secret/page.txt", basic("alice", "wonderland")).want(t, 200, "secret\n")
		s.get("/secret/page.txt", basic("alice", "wrong")).want(t, 401, "*")
		mallory := s.get("/secret/page.txt", basic("mallory", "wonderland"))
		mallory.want(t, 401, "*")
		mallory.wantHeader(t, "Www-Authenticate", `Basic realm="inside", charset="UTF-8"`)
		s.get("/secret/page.txt", basic(strings.Repeat("u", 256), "p")).want(t, 401, "*")
		s.get("/secret/page.txt", basic(strings.Repeat("u", 5000), "p")).want(t, 401, "*")
		log := s.accessLog(7)
		for i, want := range []string{"web (alice)", "web (alice)", "alice (alice)", "alice (alice)"} {
			if log[i]["user"] != want {
				t.Errorf("request %d is logged as of %v, want %s", i+1, log[i]["user"], want)
			}
		}
	})
}

func TestNewlog(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, built("filter_newlog"))})
		s.get("/page.txt?q", "User-Agent: tester")
		s.get("/page.txt", "Referer: http://elsewhere/")
		log := s.accessLog(2)
		for i, want := range []string{"/page.txt [tester] [-]?q", "/page.txt [-] [http://elsewhere/]"} {
			if log[i]["url"] != want {
				t.Errorf("logged as %v, want %q", log[i], want)
			}
		}
	})
}

// A count for each connection, by a filter that returns garbage.
func TestCount(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, built("filter_count"))})
		one, two := s.dial(), s.dial()
		for _, want := range []string{"1", "2", "3"} {
			one.ask("GET /page.txt").wantHeader(t, "X-Count", want)
		}
		two.ask("GET /page.txt").wantHeader(t, "X-Count", "1")
		one.ask("GET /page.txt").wantHeader(t, "X-Count", "4")
		s.dial().Close() // a connection without a request has no events
		one.Close()
		s.untilTrace("count", 1)
		two.Close()
		wantTrace(t, s.untilTrace("count", 2), "count 4\ncount 1")
	})
}
