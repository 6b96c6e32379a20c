package filters

import (
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/config"
)

// Every callback by its contract, in the events where it may be called.
func TestCallbacks(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, built("filter_contract"))})
		c := s.dial()
		for range 2 {
			res := c.ask("GET /page.txt?q=1", "X-One: 1", "X-Two: a", "X-Two: b")
			res.want(t, 200, "hello\n")
			res.wantHeader(t, "X-Contract", "ok")
			res.wantHeader(t, "X-Added", "1, 2")
		}
		c.Close()
		wantTrace(t, s.untilTrace("contract", 1), "contract ok")
	})
}

// What PREPROC_HEADERS may change.
func TestRequest(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, named("a")), handlers: extensions + `, {path: /vars/*, extension: DIR/images/variables.so}`,
			images: append(images(t, mode), variables(t, mode))})
		s.get("/page.txt", do("PREPROC_HEADERS=set:url|/other.txt")).want(t, 200, "other\n")
		s.get("/page.txt", do("PREPROC_HEADERS=set:url|/play/x?write=reached")).want(t, 200, "reached")
		s.get("/page.txt", do("PREPROC_HEADERS=set:url|/folder/../../../etc/passwd")).want(t, 400, "*")
		s.get("/page.txt", do("PREPROC_HEADERS=set:url|no slash")).want(t, 200, "hello\n") // that was refused
		s.untilTrace("! set 87", 1)
		s.once("HEAD /page.txt", do("PREPROC_HEADERS=set:method|GET")).want(t, 200, "")
		s.get("/page.txt", do("PREPROC_HEADERS=set:method|DELETE")).want(t, 405, "*")
		s.get("/page.txt", do("PREPROC_HEADERS=set:If-None-Match:|*")).want(t, 304, "")
		s.get("/page.txt", "Range: bytes=0-1", do("PREPROC_HEADERS=set:Range:|")).want(t, 200, "hello\n")
		s.get("/page.txt", do("PREPROC_HEADERS=set:Range:|bytes=1-2")).want(t, 206, "el")
		vars := s.get("/page.txt", "X-Gone: yes", "X-Gone: twice", do("PREPROC_HEADERS=set:url|/vars/x?list=HTTP_X_MADE,HTTP_X_TWICE,HTTP_X_GONE,PATH_INFO"+
			"; PREPROC_HEADERS=set:X-Made:|new; PREPROC_HEADERS=add:X-Twice:|1; PREPROC_HEADERS=add:X-Twice:|2; PREPROC_HEADERS=set:x-gone:|"))
		for _, want := range []string{"HTTP_X_MADE=new\n", "HTTP_X_TWICE=1,2\n", "HTTP_X_GONE=error 1413\n", "PATH_INFO=/x\n"} {
			if !strings.Contains(vars.body+"\n", want) {
				t.Errorf("no %q in\n%s", want, vars.body)
			}
		}
		body := strings.Repeat("x", 200_000)
		s.once("POST /page.txt", do("PREPROC_HEADERS=set:url|/play/x?write=got"), "", body).want(t, 200, "got")
	})
}

// What SEND_RESPONSE may change: the headers and the status line.
func TestResponse(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, named("a")), handlers: extensions, images: images(t, mode)})
		steps := do("SEND_RESPONSE=set:Server:|mine; SEND_RESPONSE=add:X-Two:|1; SEND_RESPONSE=add:X-Two:|2; SEND_RESPONSE=set:Content-Type:|text/odd; " +
			"SEND_RESPONSE=set:Last-Modified:|; SEND_RESPONSE=set:status|299 Quite Odd")
		for _, url := range []string{"/page.txt", "/play/x?header=Content-Type:text/plain%0d%0aContent-Length:6%0d%0a%0d%0a&send=&write=hello%0a"} {
			res := s.get(url, steps)
			res.want(t, 299, "hello\n")
			if res.line != "HTTP/1.1 299 Quite Odd" {
				t.Errorf("the status line is %q", res.line)
			}
			res.wantHeader(t, "Server", "mine")
			res.wantHeader(t, "X-Two", "1, 2")
			res.wantHeader(t, "Content-Type", "text/odd")
			res.wantHeader(t, "Last-Modified", "")
			res.wantHeader(t, "Content-Length", "6")
		}
		s.get("/page.txt", "Range: bytes=1-2", do("SEND_RESPONSE=add:X-One:|1")).want(t, 206, "el")
		for range 3 { // AddResponseHeaders is for one request
			s.get("/page.txt").wantHeader(t, "X-Early", "")
			res := s.get("/page.txt", do("PREPROC_HEADERS=response:X-Early: 1; URL_MAP=response:X-Early: 2; AUTH_COMPLETE=response:X-Early: 3"))
			res.wantHeader(t, "X-Early", "1, 2, 3")
		}
		s.get("/page.txt", do("SEND_RESPONSE=response:X-Late: 1")).wantHeader(t, "X-Late", "")
		s.untilTrace("! response", 1)
	})
}

// Responses of filters' own, with all the texts real ones send.
func TestOwnResponse(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, named("a"))})
		for status, line := range map[string]string{
			"": "HTTP/1.1 200 OK", "200 OK": "HTTP/1.1 200 OK", "302": "HTTP/1.1 302 ", "302 Please Wait": "HTTP/1.1 302 Please Wait",
			"404 Not for you": "HTTP/1.1 404 Not for you", "503 Busy": "HTTP/1.1 503 Busy",
		} {
			res := s.get("/page.txt", do("PREPROC_HEADERS=send:"+status+"; PREPROC_HEADERS=write:one,; PREPROC_HEADERS=write:two; PREPROC_HEADERS=finished"))
			if !strings.HasPrefix(res.line, line) || res.body != "one,two" || res.Header.Get("Date") == "" {
				t.Errorf("status %q: got %q %v %q", status, res.line, res.Header, res.body)
			}
		}
		c := s.dial()
		c.ask("GET /page.txt", do("PREPROC_HEADERS=page:mine; PREPROC_HEADERS=keep")).want(t, 200, "mine")
		c.ask("GET /page.txt").want(t, 200, "hello\n") // on the same connection
		c.ask("GET /page.txt", do("PREPROC_HEADERS=page:mine; PREPROC_HEADERS=finished")).want(t, 200, "mine")
		if _, err := c.read("GET"); err == nil {
			t.Error("the connection is open after FINISHED")
		}
		// Finished without a word: so there is none.
		if res, err := s.attempt("GET /page.txt", do("PREPROC_HEADERS=keep")); err == nil {
			t.Errorf("a filter that said nothing gave %s %q", res.line, res.body)
		}
		// A head can be sent once.
		s.get("/page.txt", do("PREPROC_HEADERS=page:mine; PREPROC_HEADERS=send:500 Again; PREPROC_HEADERS=finished")).want(t, 200, "mine")
		s.untilTrace("! send", 1)
		// An answer, and NEXT all the same: nothing else is sent.
		s.get("/page.txt", do("PREPROC_HEADERS=page:mine")).want(t, 200, "mine")
	})
}

// URL_MAP changes where a URL leads, in place.
func TestURLMap(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, named("a")), handlers: extensions, images: images(t, mode)})
		root := s.dir + "/root"
		s.get("/page.txt", do("URL_MAP=path:"+root+"/other.txt")).want(t, 200, "other\n")
		s.get("/none.txt", do("URL_MAP=path:"+root+"/other.txt")).want(t, 200, "other\n")
		s.get("/page.txt", do("URL_MAP=path:"+root+"/none.txt")).want(t, 404, "*")
		s.get("/page.txt", do("URL_MAP=path:/etc/passwd")).want(t, 404, "*") // not a file of the site
		s.get("/page.txt", do("URL_MAP=path:"+root+"/../isapid.yaml")).want(t, 404, "*")
		long := strings.Repeat("p", 900)
		s.get("/page.txt", do("URL_MAP=pathend:"+long)).want(t, 404, "*")
		s.get("/page.txt", do("URL_MAP=path:")).want(t, 200, "hello\n") // no path is no change
	})
}

// LOG changes what is logged, and NULL is "-".
func TestLog(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, named("a")), handlers: extensions, images: images(t, mode)})
		s.get("/page.txt?q", do("LOG=log:host|h; LOG=log:user|u; LOG=log:server|s; LOG=log:operation|o; LOG=log:target|t; LOG=log:parameters|p; LOG=var:HTTP_X_DO"))
		s.get("/page.txt?q", do("LOG=log:host|NULL; LOG=log:user|NULL; LOG=log:server|NULL; LOG=log:operation|NULL; LOG=log:target|NULL; LOG=log:parameters|NULL"))
		s.get("/play/x?write=hi", do("LOG=log:target|LINES"))
		s.get("/page.txt")
		log := s.accessLog(4)
		for field, want := range map[string]string{"client": "h", "user": "u", "host": "s", "method": "o", "url": "t?p"} {
			if log[0][field] != want {
				t.Errorf("%s is logged as %v, want %q", field, log[0][field], want)
			}
		}
		for field, want := range map[string]any{"client": "-", "user": nil, "host": "-", "method": "-", "url": "-?-"} {
			if log[1][field] != want {
				t.Errorf("with NULL %s is logged as %v, want %q", field, log[1][field], want)
			}
		}
		if text, _ := log[2]["url"].(string); text != "one  two ?write=hi" {
			t.Errorf("control characters are logged: %q", text)
		}
		if log[3]["method"] != "GET" || log[3]["status"] != 200.0 {
			t.Errorf("a request nobody changed is logged as %v", log[3])
		}
		s.untilTrace("var HTTP_X_DO", 1)
	})
}

// The codes of ServerSupportFunction.
func TestSupport(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, named("a"))})
		s.get("/page.txt", do("PREPROC_HEADERS=connid; PREPROC_HEADERS=property:1; PREPROC_HEADERS=property:0; PREPROC_HEADERS=property:9; "+
			"PREPROC_HEADERS=proxy:1; PREPROC_HEADERS=normalize:/a/../b%2e; PREPROC_HEADERS=normalize:/../x")).want(t, 200, "hello\n")
		lines := s.untilTrace("END_OF_NET_SESSION", 1)
		text := strings.Join(lines, "\n")
		for _, want := range []string{"! connid 50", "property 1", "! property 50", "! property 87", "normalize /b."} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
		s.get("/page.txt", do("PREPROC_HEADERS=descriptor"))
		s.untilTrace(" descriptor ", 1)
		// One event of one request can be switched off.
		c := s.dial()
		c.ask("GET /page.txt", do("PREPROC_HEADERS=disable:0x40"))
		c.ask("GET /page.txt")
		c.Close()
		var sent int
		for _, line := range s.untilTrace("END_OF_NET_SESSION", 3) {
			if strings.HasPrefix(line, "a#3 SEND_RESPONSE") {
				sent++
			}
		}
		if sent != 1 {
			t.Errorf("SEND_RESPONSE came %d times, want once", sent)
		}
	})
}
