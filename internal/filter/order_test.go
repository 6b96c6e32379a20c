//go:build windows || (unix && cgo)

package filter_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/filter"
)

// What one filter that is told of everything sees: "*" stands for the events of a request for a file up to there, lines without a
// filter's mark are of the first connection.
const (
	upToMap    = "PREPROC_HEADERS GET /file/page.txt\nURL_MAP /file/page.txt to /file/page.txt\n"
	upToAuth   = upToMap + "AUTHENTICATION \"\" \"\"\nAUTH_COMPLETE \"\"\n"
	upToAnswer = upToAuth + "SEND_RESPONSE HTTP/1.1 200 OK\n"
	theEnd     = "END_OF_REQUEST\nLOG GET /file/page.txt? \"-\" "
	get        = "GET | /file/page.txt"
)

// TestOrder is the order of events, and what is answered, for one filter that writes down all of them.
func TestOrder(t *testing.T) {
	closed := func(h *host) { h.realm, h.closed = `a "realm"`, true }
	ext := func(h *host) { h.ext = "ext.so" }
	for _, c := range []struct {
		name    string
		request string // method, target, head; separated by " | "
		host    func(*host)
		answer  string
		events  string
	}{
		{"file", get, nil, "200 a page\n", upToAnswer + theEnd + "200"},
		{"head of a file", "HEAD | /file/page.txt", nil, "200 ", strings.ReplaceAll(upToAnswer+theEnd, "GET", "HEAD") + "200"},
		{"no such file", "GET | /file/none?q=1", nil, "404 page 404.0", `PREPROC_HEADERS GET /file/none?q=1
			URL_MAP /file/none to /file/none
			AUTHENTICATION "" ""
			AUTH_COMPLETE ""
			SEND_RESPONSE HTTP/1.1 404 Not Found
			END_OF_REQUEST
			LOG GET /file/none?q=1 "-" 404`},
		{"no mapping", "GET | /nowhere", nil, "404 page 404.0", `PREPROC_HEADERS GET /nowhere
			AUTHENTICATION "" ""
			AUTH_COMPLETE ""
			SEND_RESPONSE HTTP/1.1 404 Not Found
			END_OF_REQUEST
			LOG GET /nowhere? "-" 404`},
		{"redirect", "GET | /redirect", nil, "302 <a href=\"/file/page.txt\">Found</a>.\n\n", `PREPROC_HEADERS GET /redirect
			URL_MAP /redirect to /redirect
			AUTHENTICATION "" ""
			AUTH_COMPLETE ""
			SEND_RESPONSE HTTP/1.1 302 Found
			END_OF_REQUEST
			LOG GET /redirect? "-" 302`},
		{"403 of a file", "GET | /error/403", nil, "403 page 403.0", `PREPROC_HEADERS GET /error/403
			URL_MAP /error/403 to /error/403
			AUTHENTICATION "" ""
			AUTH_COMPLETE ""
			ACCESS_DENIED /error/403 0x2
			SEND_RESPONSE HTTP/1.1 403 Forbidden
			END_OF_REQUEST
			LOG GET /error/403? "-" 403`},
		{"401 of an extension", "GET | /error/401", ext, "401 page 401.0", `PREPROC_HEADERS GET /error/401
			URL_MAP /error/401 to /error/401
			AUTHENTICATION "" ""
			AUTH_COMPLETE ""
			ACCESS_DENIED /error/401 0x8
			SEND_RESPONSE HTTP/1.1 401 Unauthorized
			END_OF_REQUEST
			LOG GET /error/401? "-" 401`},
		{"nobody may come in", "GET | /file/page.txt", closed, "401 page 401.1", upToMap + `AUTHENTICATION "" ""
			ACCESS_DENIED /file/page.txt 0x1
			SEND_RESPONSE HTTP/1.1 401 Unauthorized
			` + theEnd + "401"},
		{"a user", get + " | User: alice:wonderland", closed, "200 a page\n", upToMap + `AUTHENTICATION "alice" "wonderland"
			AUTH_COMPLETE "alice"
			SEND_RESPONSE HTTP/1.1 200 OK
			END_OF_REQUEST
			LOG GET /file/page.txt? "alice" 200`},
		{"another scheme", get + " | Authorization: Bearer x", nil, "200 a page\n", upToAnswer + theEnd + "200"},
		{"interim responses are not shown", "GET | /early", nil, "200 after", `PREPROC_HEADERS GET /early
			URL_MAP /early to /early
			AUTHENTICATION "" ""
			AUTH_COMPLETE ""
			SEND_RESPONSE HTTP/1.1 200 OK
			END_OF_REQUEST
			LOG GET /early? "-" 200`},
		{"flush is no way around", "GET | /stream", nil, "200 one two", `PREPROC_HEADERS GET /stream
			URL_MAP /stream to /stream
			AUTHENTICATION "" ""
			AUTH_COMPLETE ""
			SEND_RESPONSE HTTP/1.1 200 OK
			END_OF_REQUEST
			LOG GET /stream? "-" 200`},
		{"reason phrase of an extension", "GET | /reason", ext, "404 ", `PREPROC_HEADERS GET /reason
			URL_MAP /reason to /reason
			AUTHENTICATION "" ""
			AUTH_COMPLETE ""
			SEND_RESPONSE HTTP/1.1 404 Gone Fishing
			END_OF_REQUEST
			LOG GET /reason? "-" 404`},
		{"mapping asked for by an extension", "GET | /map/a/b", ext, "200 /a/b <nil>", `PREPROC_HEADERS GET /map/a/b
			URL_MAP /map/a/b to /map/a/b
			AUTHENTICATION "" ""
			AUTH_COMPLETE ""
			URL_MAP /a/b to /a/b
			SEND_RESPONSE HTTP/1.1 200 OK
			END_OF_REQUEST
			LOG GET /map/a/b? "-" 200`},
		{"child", "GET | /child/error/403", ext, "403 page 403.0", `PREPROC_HEADERS GET /child/error/403
			URL_MAP /child/error/403 to /child/error/403
			AUTHENTICATION "" ""
			AUTH_COMPLETE ""
			ACCESS_DENIED /child/error/403 0x8
			SEND_RESPONSE HTTP/1.1 403 Forbidden
			END_OF_REQUEST
			LOG GET /child/error/403? "-" 403`},
		{"broken off", "GET | /abort", nil, "broken", `PREPROC_HEADERS GET /abort
			URL_MAP /abort to /abort
			AUTHENTICATION "" ""
			AUTH_COMPLETE ""
			END_OF_REQUEST
			LOG GET /abort? "-" 0`},

		{"FINISHED from PREPROC_HEADERS", get + " | X-Do: PREPROC_HEADERS=finished", nil, "broken", "PREPROC_HEADERS GET /file/page.txt\n" + theEnd + "0"},
		{"own page and FINISHED from PREPROC_HEADERS", get + " | X-Do: PREPROC_HEADERS=page:mine;PREPROC_HEADERS=finished", nil, "200 mine",
			"PREPROC_HEADERS GET /file/page.txt\nSEND_RESPONSE HTTP/1.1 200 OK\n" + theEnd + "200"},
		{"own page from PREPROC_HEADERS", get + " | X-Do: PREPROC_HEADERS=page:mine", nil, "200 mine",
			"PREPROC_HEADERS GET /file/page.txt\nSEND_RESPONSE HTTP/1.1 200 OK\n" + theEnd + "200"},
		{"own head with pieces", get + " | X-Do: PREPROC_HEADERS=send:299 Odd;PREPROC_HEADERS=write:a;PREPROC_HEADERS=write:b;PREPROC_HEADERS=keep", nil, "299 ab",
			"PREPROC_HEADERS GET /file/page.txt\nSEND_RESPONSE HTTP/1.1 299 Odd\n" + theEnd + "299"},
		{"own bytes without a head", get + " | X-Do: PREPROC_HEADERS=write:bytes;PREPROC_HEADERS=finished", nil, "200 bytes",
			"PREPROC_HEADERS GET /file/page.txt\nSEND_RESPONSE HTTP/1.1 200 OK\n" + theEnd + "200"},
		{"a second head", get + " | X-Do: PREPROC_HEADERS=page:mine;PREPROC_HEADERS=send:200", nil, "200 mine",
			"PREPROC_HEADERS GET /file/page.txt\nSEND_RESPONSE HTTP/1.1 200 OK\n! send 87\n" + theEnd + "200"},
		{"own 401", get + " | X-Do: PREPROC_HEADERS=send:401 No;PREPROC_HEADERS=finished", nil, "401 ",
			"PREPROC_HEADERS GET /file/page.txt\nACCESS_DENIED /file/page.txt 0x4\nSEND_RESPONSE HTTP/1.1 401 No\n" + theEnd + "401"},
		{"page from URL_MAP", get + " | X-Do: URL_MAP=page:map;URL_MAP=keep", nil, "200 map", upToMap + "SEND_RESPONSE HTTP/1.1 200 OK\n" + theEnd + "200"},
		{"FINISHED from URL_MAP", get + " | X-Do: URL_MAP=finished", nil, "broken", upToMap + theEnd + "0"},
		{"page from AUTHENTICATION", get + " | X-Do: AUTHENTICATION=page:who;AUTHENTICATION=keep", nil, "200 who", upToMap + "AUTHENTICATION \"\" \"\"\nSEND_RESPONSE HTTP/1.1 200 OK\n" + theEnd + "200"},
		{"page from AUTH_COMPLETE", get + " | X-Do: AUTH_COMPLETE=page:you;AUTH_COMPLETE=keep", nil, "200 you", upToAnswer + theEnd + "200"},
		{"FINISHED from AUTH_COMPLETE", get + " | X-Do: AUTH_COMPLETE=finished", nil, "broken", upToAuth + theEnd + "0"},
		{"page instead of a 401", get + " | X-Do: ACCESS_DENIED=page:sign in;ACCESS_DENIED=finished", closed, "200 sign in", upToMap + `AUTHENTICATION "" ""
			ACCESS_DENIED /file/page.txt 0x1
			SEND_RESPONSE HTTP/1.1 200 OK
			` + theEnd + "200"},
		{"FINISHED from ACCESS_DENIED", get + " | X-Do: ACCESS_DENIED=finished", closed, "broken", upToMap + "AUTHENTICATION \"\" \"\"\nACCESS_DENIED /file/page.txt 0x1\n" + theEnd + "0"},
		{"page in SEND_RESPONSE", get + " | X-Do: SEND_RESPONSE=page:instead;SEND_RESPONSE=keep", nil, "200 instead", upToAnswer + theEnd + "200"},
		{"FINISHED from SEND_RESPONSE", get + " | X-Do: SEND_RESPONSE=finished", nil, "broken", upToAnswer + theEnd + "0"},
		{"WriteClient in SEND_RESPONSE of its own head", get + " | X-Do: PREPROC_HEADERS=page:mine;SEND_RESPONSE=write:x", nil, "200 mine",
			"PREPROC_HEADERS GET /file/page.txt\nSEND_RESPONSE HTTP/1.1 200 OK\n! write 87\n" + theEnd + "200"},
		{"FINISHED from END_OF_REQUEST and LOG", get + " | X-Do: END_OF_REQUEST=finished;LOG=finished", nil, "200 a page\n", upToAnswer + theEnd + "200"},
		{"WriteClient in END_OF_REQUEST", get + " | X-Do: END_OF_REQUEST=write:late", nil, "200 a page\n", upToAnswer + "END_OF_REQUEST\n! write 87\nLOG GET /file/page.txt? \"-\" 200"},
		{"page in END_OF_REQUEST", get + " | X-Do: PREPROC_HEADERS=finished;END_OF_REQUEST=page:last", nil, "200 last",
			"PREPROC_HEADERS GET /file/page.txt\nEND_OF_REQUEST\nSEND_RESPONSE HTTP/1.1 200 OK\nLOG GET /file/page.txt? \"-\" 200"},

		{"ERROR from PREPROC_HEADERS", get + " | X-Do: PREPROC_HEADERS=error:31", nil, "500 page 500.0",
			"PREPROC_HEADERS GET /file/page.txt\nSEND_RESPONSE HTTP/1.1 500 Internal Server Error\n" + theEnd + "500"},
		{"access denied from PREPROC_HEADERS", get + " | X-Do: PREPROC_HEADERS=error:5", nil, "401 page 401.4",
			"PREPROC_HEADERS GET /file/page.txt\nACCESS_DENIED /file/page.txt 0x4\nSEND_RESPONSE HTTP/1.1 401 Unauthorized\n" + theEnd + "401"},
		{"access denied from AUTHENTICATION", get + " | X-Do: AUTHENTICATION=error:5", nil, "401 page 401.4",
			upToMap + "AUTHENTICATION \"\" \"\"\nACCESS_DENIED /file/page.txt 0x4\nSEND_RESPONSE HTTP/1.1 401 Unauthorized\n" + theEnd + "401"},
		{"ERROR from SEND_RESPONSE", get + " | X-Do: SEND_RESPONSE=error:31", nil, "500 page 500.0", upToAnswer + theEnd + "500"},
		{"ERROR from the SEND_RESPONSE of its own head", get + " | X-Do: PREPROC_HEADERS=page:mine;SEND_RESPONSE=error:31", nil, "500 page 500.0",
			"PREPROC_HEADERS GET /file/page.txt\nSEND_RESPONSE HTTP/1.1 200 OK\n! page 87\n" + theEnd + "500"},
		{"ERROR from ACCESS_DENIED", "GET | /error/403 | X-Do: ACCESS_DENIED=error:31", nil, "500 page 500.0", `PREPROC_HEADERS GET /error/403
			URL_MAP /error/403 to /error/403
			AUTHENTICATION "" ""
			AUTH_COMPLETE ""
			ACCESS_DENIED /error/403 0x2
			END_OF_REQUEST
			LOG GET /error/403? "-" 500`},
		{"unknown status", get + " | X-Do: PREPROC_HEADERS=return:7;URL_MAP=return:0;AUTHENTICATION=return:0xffffffff;SEND_RESPONSE=return:0x08000005", nil, "200 a page\n", upToAnswer + theEnd + "200"},

		{"no more events", get + " | X-Do: PREPROC_HEADERS=disable:0x0400ffc0", nil, "200 a page\n", "PREPROC_HEADERS GET /file/page.txt"},
		{"no more of some events", get + " | X-Do: PREPROC_HEADERS=disable:0x2040", nil, "200 a page\n", upToMap + "AUTH_COMPLETE \"\"\n" + theEnd + "200"},

		{"rewritten in PREPROC_HEADERS", "GET | /x | X-Do: PREPROC_HEADERS=set:url|/file/page.txt?b;PREPROC_HEADERS=get:url", nil, "200 a page\n", `PREPROC_HEADERS GET /x
			get url /file/page.txt?b
			URL_MAP /file/page.txt to /file/page.txt
			AUTHENTICATION "" ""
			AUTH_COMPLETE ""
			SEND_RESPONSE HTTP/1.1 200 OK
			END_OF_REQUEST
			LOG GET /x? "-" 200`},
		{"rewritten in AUTH_COMPLETE", "POST | /x | X-Do: AUTH_COMPLETE=set:url|/echo;AUTH_COMPLETE=set:X-A:|1", nil, "200 POST /echo user=- body=a body <nil> X-A=1 Host=HOST Content-Length=6", `PREPROC_HEADERS POST /x
			URL_MAP /x to /x
			AUTHENTICATION "" ""
			AUTH_COMPLETE ""
			URL_MAP /echo to /echo
			SEND_RESPONSE HTTP/1.1 200 OK
			END_OF_REQUEST
			LOG POST /x? "-" 200`},
		{"status from AUTH_COMPLETE", get + " | X-Do: AUTH_COMPLETE=status:503", nil, "503 page 503.0", upToAuth + "SEND_RESPONSE HTTP/1.1 503 Service Unavailable\n" + theEnd + "503"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t)
			if c.host != nil {
				c.host(s.host)
			}
			s.chain = []filter.Member{{Filter: s.load(traceFilter(t), nil)}}
			parts := strings.Split(c.request, " | ")
			a := s.do(parts[0], parts[1], parts[2:]...)
			if got := strings.ReplaceAll(a.String(), strings.TrimPrefix(s.srv.URL, "http://"), "HOST"); got != c.answer {
				t.Errorf("answer is %q %v, want %q", got, a.err, c.answer)
			}
			s.stop()
			expect(t, s.lastEvents("END_OF_NET_SESSION"), c.events+"\nEND_OF_NET_SESSION")
			if len(s.faults) > 0 || strings.Contains(s.log.String(), "panic") {
				t.Errorf("faults %v, log\n%s", s.faults, s.log)
			}
		})
	}
}

// expect compares events with the lines of a text, of which each without a mark is a line of the filter a on its first connection.
func expect(t *testing.T, got []string, text string) {
	t.Helper()
	var want []string
	for line := range strings.Lines(strings.TrimSpace(text)) {
		if line = strings.TrimSpace(line); !strings.Contains(strings.SplitN(line, " ", 2)[0], "#") {
			line = "a#1 " + line
		}
		want = append(want, line)
	}
	if !slices.Equal(got, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
