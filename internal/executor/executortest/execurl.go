package executortest

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/testwait"
)

// testExecURL: child requests, with fixture execurl.c. The host answers /child itself; every other URL is the fixture again.
func testExecURL(t *testing.T, s *suite) {
	for _, threads := range []int{25, 1} {
		t.Run(fmt.Sprintf("threads %d", threads), func(t *testing.T) {
			srv := s.serve(t, "execurl", executor.Options{Threads: threads, ReadAhead: 4})
			t.Run("exec", func(t *testing.T) { execURL(t, srv) })
			t.Run("send", func(t *testing.T) { sendURL(t, srv) })
			t.Run("body", func(t *testing.T) { childBodies(t, srv) })
			t.Run("recursion", func(t *testing.T) { recursion(t, srv) })
		})
	}
	srv := s.serve(t, "execurl", executor.Options{})
	t.Run("streams", func(t *testing.T) { childStreams(t, srv) })
	t.Run("broken child", func(t *testing.T) { brokenChild(t, srv) })
	secure := s.serveTLS(t, "execurl", executor.Options{})
	t.Run("TLS", func(t *testing.T) {
		for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
			for _, how := range []string{"exec", "send"} {
				if res := secure.over(proto, "GET", "/?"+how+"&url=%2Fx%3Fecho", ""); !strings.HasPrefix(res.Body, "GET /x ") {
					t.Errorf("%s by %s: got %q", proto, how, res.Body)
				}
			}
		}
	})
}

// parent is a request that makes a child request, and what must come of it.
type parent struct {
	name, query string
	status      int
	body        string // begins so
	told        string
}

func (p parent) check(t *testing.T, srv *server, method, body string, header ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "told")
	res := srv.do(method, "/app.dll/x?"+p.query+"&told="+arg("", file), strings.NewReader(body), header...)
	if res.StatusCode != p.status || !strings.HasPrefix(res.Body, p.body) || p.body == "" && res.Body != "" {
		t.Errorf("%s: got %s %q, want %d %q", p.name, res.Status, res.Body, p.status, p.body)
	}
	var got string
	testwait.Until(t, p.name+" tells", func() bool {
		b, _ := os.ReadFile(file)
		got = strings.TrimSpace(string(b))
		return len(got) >= len(p.told)
	})
	if got != p.told {
		t.Errorf("%s: the fixture tells %q, want %q", p.name, got, p.told)
	}
}

func execURL(t *testing.T, srv *server) {
	child := func(skip bool, method, uri, x string) string {
		return fmt.Sprintf("child %s %s skip=%v body=%q x=%q", method, uri, skip, "", x)
	}
	newHeaders := "headers=" + arg("", "X-Test: replaced\r\nHost: other\r\n")
	for _, p := range []parent{
		{"inherits", "exec&url=/child?a=b", 200, child(false, "GET", "/child?a=b", "parent"), "0 200.0.0"},
		{"absolute URL of this host", "exec&url=" + arg("", srv.URL+"/child?q"), 200, child(false, "GET", "/child?q", "parent"), "0 200.0.0"},
		{"UNICODE", "exec&unicode=1&url=/child?a", 200, child(false, "GET", "/child?a", "parent"), "0 200.0.0"},
		{"method", "exec&method=PURGE&url=/child", 200, child(false, "PURGE", "/child", "parent"), "0 200.0.0"},
		{"headers", "exec&url=/child&" + newHeaders, 200, child(false, "GET", "/child", "replaced"), "0 200.0.0"},
		{"skips the interceptor", "exec&flags=4&url=/child", 200, child(true, "GET", "/child", "parent"), "0 200.0.0"},
		{"status of the child", "exec&url=/child/404", 404, child(false, "GET", "/child/404", "parent"), "0 404.0.0"},
		{"no headers", "exec&flags=2&url=/child&pre=X:1%0d%0a", 200, child(false, "GET", "/child", "parent"), "0 200.0.0"},
		{"then more", "exec&url=/child&then=more", 200, child(false, "GET", "/child", "parent") + "more", "0 200.0.0 then 0"},
		{"the extension itself", "exec&url=/y?echo", 200, "GET /y length=", "0 200.0.0"},
		{"all headers are replaced", "exec&url=/y?echo&headers=A:%20b%0d%0a", 200, "GET /y length=", "0 200.0.0"},

		{"no callback", "exec&cb=0&url=/child", 200, "", "87"},
		{"another host", "exec&url=http://elsewhere/child", 200, "", "87"},
		{"relative URL", "exec&url=child", 200, "", "87"},
		{"control character", "exec&url=/child%0d%0aX:1", 200, "", "87"},
		{"bad method", "exec&method=A%20B&url=/child", 200, "", "87"},
		{"bad headers", "exec&headers=A%01:1&url=/child", 200, "", "87"},
	} {
		p.check(t, srv, "GET", "", "X-Test", "parent")
	}
	noValidation := srv.do("GET", "/?exec&flags=16&url=/y?echo", nil, "Range", "bytes=0-1", "If-None-Match", "x", "X-Test", "stays")
	if strings.Contains(noValidation.Body, "Range:") || strings.Contains(noValidation.Body, "If-None-Match:") || !strings.Contains(noValidation.Body, "X-Test: stays") {
		t.Errorf("IGNORE_VALIDATION_AND_RANGE: the child has %q", noValidation.Body)
	}
	replaced := srv.do("GET", "/?exec&url=/y?echo&headers=A:%20b%0d%0a", nil, "X-Test", "gone")
	if !strings.Contains(replaced.Body, "A: b\r\n") || strings.Contains(replaced.Body, "X-Test") {
		t.Errorf("replaced headers: the child has %q", replaced.Body)
	}
}

func sendURL(t *testing.T, srv *server) {
	child := func(method string) string {
		return fmt.Sprintf("child %s /child?a skip=false body=\"\" x=\"\"", method)
	}
	for _, p := range []parent{
		{"as GET without body", "send&url=/child?a", 200, child("GET"), "0"},
		{"with a verb", "send&verb=DELETE&url=/child?a", 200, child("DELETE"), "0"},
		{"verb empty", "send&verb=&url=/child?a", 200, child("GET"), "0"},
		{"what follows is dropped", "send&url=/child?a&then=more", 200, child("GET"), "0 then 0"},
		{"once only", "send&url=/child?a&twice=1", 200, child("GET"), "0 87"},
		{"from another thread", "send&pending=1&url=/child?a", 200, child("GET"), "0"},
		{"completion", "send&cb=1&url=/child?a", 200, child("GET"), fmt.Sprintf("0  %d:0", len(child("GET")))},
		{"the extension itself", "send&url=/y?echo", 200, "GET /y length=", "0"},
		{"status of the child", "send&url=/child/404", 404, "child", "0"},

		{"no URL", "send&then=x", 200, "x", "87 then 0"},
		{"empty URL", "send&url=&then=x", 200, "x", "87 then 0"},
		{"relative URL", "send&url=child&then=x", 200, "x", "87 then 0"},
		{"another host", "send&url=https://elsewhere/&then=x", 200, "x", "87 then 0"},
		{"bad verb", "send&verb=A%0d&url=/child&then=x", 200, "x", "87 then 0"},
		{"after a header", "send&pre=X:1%0d%0a&url=/child&then=x", 200, "x", "87 then 0"},
	} {
		p.check(t, srv, "POST", "body of the parent")
	}
}

// childBodies: the read-ahead is 4 bytes.
func childBodies(t *testing.T, srv *server) {
	for _, p := range []parent{
		{"whole body", "exec&url=/y?echo", 200, "POST /y length=10 total=10 body=0123456789\n", "0 200.0.0"},
		{"unread rest", "exec&read=3&url=/y?echo", 200, "POST /y length=3 total=3 body=789\n", "0 200.0.0"},
		{"all was read", "exec&read=6&url=/y?echo", 200, "POST /y length=0 total=0 body=\n", "0 200.0.0"},
		{"entity", "exec&entity=new&url=/y?echo", 200, "POST /y length=3 total=3 body=new\n", "0 200.0.0"},
		{"empty entity", "exec&entity=&url=/y?echo", 200, "POST /y length=0 total=0 body=\n", "0 200.0.0"},
		{"entity and headers", "exec&entity=new&headers=A:b%0d%0a&url=/y?echo", 200, "POST /y length=3 total=3 body=new\n", "0 200.0.0"},
	} {
		p.check(t, srv, "POST", tenDigits)
	}
	res := srv.do("POST", "/?exec&url=/y?echo", io.MultiReader(strings.NewReader(tenDigits)))
	if !strings.Contains(res.Body, " body="+tenDigits+"\n") {
		t.Errorf("chunked body: got %q", res.Body)
	}
}

// recursion: children of children, each with the extension on the way; one thread is enough.
func recursion(t *testing.T, srv *server) {
	for _, how := range []string{"exec", "send"} {
		url := "/y?echo"
		for range 6 {
			url = "/z?" + how + "&url=" + arg("", url)
		}
		if res := srv.do("GET", url, nil); res.StatusCode != 200 || !strings.HasPrefix(res.Body, "GET /y ") {
			t.Errorf("%s: got %s %q", how, res.Status, res.Body)
		}
	}
}

// childStreams: what a child flushes reaches the client before the child is done.
func childStreams(t *testing.T, srv *server) {
	for _, how := range []string{"exec", "send"} {
		file := filepath.Join(t.TempDir(), "go")
		c := srv.dial()
		defer c.Close()
		sendAll(t, c, "GET /?"+how+"&url="+arg("", "/y?drip&wait="+arg("", file))+" HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1)
		if _, err := io.ReadFull(res.Body, b); err != nil || b[0] != 'a' {
			t.Fatalf("%s: got %q, %v, want a", how, b, err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if all, err := io.ReadAll(res.Body); string(all) != "b" || err != nil {
			t.Errorf("%s: then got %q, %v, want b", how, all, err)
		}
	}
}

// brokenChild: the client sees the break, the parent gets its completion, and the server goes on.
func brokenChild(t *testing.T, srv *server) {
	for how, want := range map[string]string{"exec": "29 200.0.29", "send&cb=1": "0  0:29"} {
		file := filepath.Join(t.TempDir(), "told")
		res, err := srv.try("GET", "/?"+how+"&told="+arg("", file)+"&url=/y?break", nil)
		if err == nil {
			t.Errorf("%s: the client got %s %q without an error", how, res.Status, res.Body)
		}
		testwait.Until(t, how+" is told of it", func() bool {
			b, _ := os.ReadFile(file)
			return strings.TrimSpace(string(b)) == want
		})
	}
	if res := srv.get("echo"); res.StatusCode != 200 {
		t.Errorf("next request: %s", res.Status)
	}
}
