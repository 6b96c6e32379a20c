package filters

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/config"
)

// extensions are the handlers that most tests need.
const extensions = `{path: /play/*, extension: DIR/images/play.so}, {path: /pending/*, extension: DIR/images/pending.so}, ` +
	`{path: "*.scr", extension: DIR/images/play.so}, {path: /support/*, extension: DIR/images/support.so}, {path: /execurl/*, extension: DIR/images/execurl.so}`

func images(t *testing.T, mode config.PoolMode) []string {
	t.Helper()
	var files []string
	for _, name := range []string{"play", "pending", "support", "execurl"} {
		files = append(files, library(t, mode, name))
	}
	return files
}

// secret is an application with users in a file: alice, whose password is wonderland.
func secret(t *testing.T) string {
	t.Helper()
	return `{path: /secret, authentication: {anonymous: false, basic: {realm: inside, users: "` + users(t) + `"}}}`
}

// order is a case of the order of events: requests, one after the other on the same connection, and the whole trace of the filter.
type order struct {
	name     string
	requests []string // a line like "GET /page.txt"; with headers in lines of their own
	want     string
}

var orders = []order{
	{"static file", []string{"GET /page.txt?q"}, `
		a#1 PREPROC_HEADERS GET /page.txt?q
		a#1 URL_MAP /page.txt to ROOT/page.txt
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /page.txt?q "-" 200
		a#1 END_OF_NET_SESSION`},
	{"extension", []string{"GET /play/x?send=&write=hi"}, `
		a#1 PREPROC_HEADERS GET /play/x?send=&write=hi
		a#1 URL_MAP /play to ROOT/play by *,IMAGES/play.so
		a#1 URL_MAP /x to ROOT/x
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /play/x?send=&write=hi "-" 200
		a#1 END_OF_NET_SESSION`},
	{"script map", []string{"GET /a.scr?send=&write=hi"}, `
		a#1 PREPROC_HEADERS GET /a.scr?send=&write=hi
		a#1 URL_MAP /a.scr to ROOT/a.scr by .scr,IMAGES/play.so
		a#1 URL_MAP /a.scr to ROOT/a.scr
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /a.scr?send=&write=hi "-" 200
		a#1 END_OF_NET_SESSION`},
	{"pending extension", []string{"GET /pending/?after"}, `
		a#1 PREPROC_HEADERS GET /pending/?after
		a#1 URL_MAP /pending to ROOT/pending by *,IMAGES/pending.so
		a#1 URL_MAP / to ROOT/
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /pending/?after "-" 200
		a#1 END_OF_NET_SESSION`},
	{"default document", []string{"GET /folder/"}, `
		a#1 PREPROC_HEADERS GET /folder/
		a#1 URL_MAP /folder/ to ROOT/folder/
		a#1 URL_MAP /folder/default.htm to ROOT/folder/default.htm
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /folder/? "-" 200
		a#1 END_OF_NET_SESSION`},
	{"redirect", []string{"GET /folder"}, `
		a#1 PREPROC_HEADERS GET /folder
		a#1 URL_MAP /folder to ROOT/folder
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 301 Moved Permanently
		a#1 END_OF_REQUEST
		a#1 LOG GET /folder? "-" 301
		a#1 END_OF_NET_SESSION`},
	{"401", []string{"GET /secret/page.txt"}, `
		a#1 PREPROC_HEADERS GET /secret/page.txt
		a#1 URL_MAP /secret/page.txt to ROOT/secret/page.txt
		a#1 AUTHENTICATION "" ""
		a#1 ACCESS_DENIED /secret/page.txt 0x1
		a#1 SEND_RESPONSE HTTP/1.1 401 Unauthorized
		a#1 END_OF_REQUEST
		a#1 LOG GET /secret/page.txt? "-" 401
		a#1 END_OF_NET_SESSION`},
	{"user", []string{"GET /secret/page.txt\n" + basic("alice", "wonderland")}, `
		a#1 PREPROC_HEADERS GET /secret/page.txt
		a#1 URL_MAP /secret/page.txt to ROOT/secret/page.txt
		a#1 AUTHENTICATION "alice" "wonderland"
		a#1 AUTH_COMPLETE "alice"
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /secret/page.txt? "alice" 200
		a#1 END_OF_NET_SESSION`},
	{"401 of an extension", []string{"GET /play/x?status=401+Mine&header=A:b%0d%0a%0d%0a&send=&write=hi"}, `
		a#1 PREPROC_HEADERS GET /play/x?status=401+Mine&header=A:b%0d%0a%0d%0a&send=&write=hi
		a#1 URL_MAP /play to ROOT/play by *,IMAGES/play.so
		a#1 URL_MAP /x to ROOT/x
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 ACCESS_DENIED /play/x?status=401+Mine&header=A:b%0d%0a%0d%0a&send=&write=hi 0x8
		a#1 SEND_RESPONSE HTTP/1.1 401 Mine
		a#1 END_OF_REQUEST
		a#1 LOG GET /play/x?status=401+Mine&header=A:b%0d%0a%0d%0a&send=&write=hi "-" 401
		a#1 END_OF_NET_SESSION`},
	{"403", []string{"GET /empty/"}, `
		a#1 PREPROC_HEADERS GET /empty/
		a#1 URL_MAP /empty/ to ROOT/empty/
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 ACCESS_DENIED /empty/ 0x2
		a#1 SEND_RESPONSE HTTP/1.1 403 Forbidden
		a#1 END_OF_REQUEST
		a#1 LOG GET /empty/? "-" 403
		a#1 END_OF_NET_SESSION`},
	{"404", []string{"GET /none.txt"}, `
		a#1 PREPROC_HEADERS GET /none.txt
		a#1 URL_MAP /none.txt to ROOT/none.txt
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 404 Not Found
		a#1 END_OF_REQUEST
		a#1 LOG GET /none.txt? "-" 404
		a#1 END_OF_NET_SESSION`},
	{"HEAD", []string{"HEAD /page.txt"}, `
		a#1 PREPROC_HEADERS HEAD /page.txt
		a#1 URL_MAP /page.txt to ROOT/page.txt
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG HEAD /page.txt? "-" 200
		a#1 END_OF_NET_SESSION`},
	{"HTTP/1.0", []string{"GET /page.txt HTTP/1.0"}, `
		a#1 PREPROC_HEADERS GET /page.txt
		a#1 URL_MAP /page.txt to ROOT/page.txt
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.0 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /page.txt? "-" 200
		a#1 END_OF_NET_SESSION`},
	{"keep-alive pair", []string{"GET /page.txt", "GET /other.txt"}, `
		a#1 PREPROC_HEADERS GET /page.txt
		a#1 URL_MAP /page.txt to ROOT/page.txt
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /page.txt? "-" 200
		a#1 PREPROC_HEADERS GET /other.txt
		a#1 URL_MAP /other.txt to ROOT/other.txt
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /other.txt? "-" 200
		a#1 END_OF_NET_SESSION`},
	{"HANDLED at every point", []string{"GET /page.txt\n" + do("PREPROC_HEADERS=handled; URL_MAP=handled; AUTHENTICATION=handled; "+
		"AUTH_COMPLETE=handled; SEND_RESPONSE=handled; END_OF_REQUEST=handled; LOG=handled")}, `
		a#1 PREPROC_HEADERS GET /page.txt
		a#1 URL_MAP /page.txt to ROOT/page.txt
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /page.txt? "-" 200
		a#1 END_OF_NET_SESSION`},
	{"unknown at every point", []string{"GET /page.txt\n" + do("PREPROC_HEADERS=return:1; URL_MAP=return:0; AUTHENTICATION=return:0x12345678; "+
		"AUTH_COMPLETE=return:0xffffffff; SEND_RESPONSE=return:0x8000006; END_OF_REQUEST=return:2; LOG=return:3")}, `
		a#1 PREPROC_HEADERS GET /page.txt
		a#1 URL_MAP /page.txt to ROOT/page.txt
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /page.txt? "-" 200
		a#1 END_OF_NET_SESSION`},
	{"disabled from PREPROC_HEADERS", []string{"GET /page.txt\n" + do("PREPROC_HEADERS=disable:0xffffffff"), "GET /other.txt"}, `
		a#1 PREPROC_HEADERS GET /page.txt
		a#1 PREPROC_HEADERS GET /other.txt
		a#1 URL_MAP /other.txt to ROOT/other.txt
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /other.txt? "-" 200
		a#1 END_OF_NET_SESSION`},
	{"extension that maps a URL", []string{"GET /support/?1001/s%2Fa%2Fb.txt/d60000/n"}, `
		a#1 PREPROC_HEADERS GET /support/?1001/s%2Fa%2Fb.txt/d60000/n
		a#1 URL_MAP /support to ROOT/support by *,IMAGES/support.so
		a#1 URL_MAP / to ROOT/
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 URL_MAP /a/b.txt to ROOT/a/b.txt
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /support/?1001/s%2Fa%2Fb.txt/d60000/n "-" 200
		a#1 END_OF_NET_SESSION`},
	{"child request", []string{"GET /execurl/?exec&url=/page.txt"}, `
		a#1 PREPROC_HEADERS GET /execurl/?exec&url=/page.txt
		a#1 URL_MAP /execurl to ROOT/execurl by *,IMAGES/execurl.so
		a#1 URL_MAP / to ROOT/
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /execurl/?exec&url=/page.txt "-" 200
		a#1 END_OF_NET_SESSION`},
	{"another URL", []string{"GET /page.txt\n" + do("PREPROC_HEADERS=set:url|/other.txt?new")}, `
		a#1 PREPROC_HEADERS GET /page.txt
		a#1 URL_MAP /other.txt to ROOT/other.txt
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /page.txt? "-" 200
		a#1 END_OF_NET_SESSION`},
}

// finished are the points at which a filter can end a request. The filter answers, except where there is an answer already.
var finished = []order{
	{"PREPROC_HEADERS", []string{"GET /page.txt\n" + do("PREPROC_HEADERS=page:mine; PREPROC_HEADERS=finished")}, `
		a#1 PREPROC_HEADERS GET /page.txt
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /page.txt? "-" 200
		a#1 END_OF_NET_SESSION`},
	{"URL_MAP", []string{"GET /page.txt\n" + do("URL_MAP=page:mine; URL_MAP=finished")}, `
		a#1 PREPROC_HEADERS GET /page.txt
		a#1 URL_MAP /page.txt to ROOT/page.txt
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /page.txt? "-" 200
		a#1 END_OF_NET_SESSION`},
	{"AUTHENTICATION", []string{"GET /page.txt\n" + do("AUTHENTICATION=page:mine; AUTHENTICATION=finished")}, `
		a#1 PREPROC_HEADERS GET /page.txt
		a#1 URL_MAP /page.txt to ROOT/page.txt
		a#1 AUTHENTICATION "" ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /page.txt? "-" 200
		a#1 END_OF_NET_SESSION`},
	{"AUTH_COMPLETE", []string{"GET /page.txt\n" + do("AUTH_COMPLETE=page:mine; AUTH_COMPLETE=finished")}, `
		a#1 PREPROC_HEADERS GET /page.txt
		a#1 URL_MAP /page.txt to ROOT/page.txt
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /page.txt? "-" 200
		a#1 END_OF_NET_SESSION`},
	{"ACCESS_DENIED", []string{"GET /empty/\n" + do("ACCESS_DENIED=page:mine; ACCESS_DENIED=finished")}, `
		a#1 PREPROC_HEADERS GET /empty/
		a#1 URL_MAP /empty/ to ROOT/empty/
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 ACCESS_DENIED /empty/ 0x2
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /empty/? "-" 200
		a#1 END_OF_NET_SESSION`},
	{"SEND_RESPONSE", []string{"GET /page.txt\n" + do("SEND_RESPONSE=page:mine; SEND_RESPONSE=finished")}, `
		a#1 PREPROC_HEADERS GET /page.txt
		a#1 URL_MAP /page.txt to ROOT/page.txt
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /page.txt? "-" 200
		a#1 END_OF_NET_SESSION`},
	{"END_OF_REQUEST", []string{"GET /page.txt\n" + do("END_OF_REQUEST=finished")}, `
		a#1 PREPROC_HEADERS GET /page.txt
		a#1 URL_MAP /page.txt to ROOT/page.txt
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /page.txt? "-" 200
		a#1 END_OF_NET_SESSION`},
	{"LOG", []string{"GET /page.txt\n" + do("LOG=finished")}, `
		a#1 PREPROC_HEADERS GET /page.txt
		a#1 URL_MAP /page.txt to ROOT/page.txt
		a#1 AUTHENTICATION "" ""
		a#1 AUTH_COMPLETE ""
		a#1 SEND_RESPONSE HTTP/1.1 200 OK
		a#1 END_OF_REQUEST
		a#1 LOG GET /page.txt? "-" 200
		a#1 END_OF_NET_SESSION`},
}

// The exact order of events.
func TestOrder(t *testing.T) { testOrders(t, orders) }

// A request that a filter ends has no more early events, but those of its end.
func TestFinished(t *testing.T) { testOrders(t, finished) }

func testOrders(t *testing.T, orders []order) {
	begin := func(t *testing.T, mode config.PoolMode) *server {
		return start(t, layout{
			mode: mode, global: filters(t, mode, named("a")), handlers: extensions, images: images(t, mode), applications: []string{secret(t)},
		})
	}
	for _, c := range orders {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, mode config.PoolMode) { c.test(t, begin(t, mode)) })
		})
	}
	t.Run(string(underWine), func(t *testing.T) { // on one server, as it takes its time to start
		s := begin(t, underWine)
		for _, c := range orders {
			t.Run(c.name, func(t *testing.T) { c.test(t, s.of(t)) })
			served.Check(t, os.Truncate(filepath.Join(s.dir, "trace"), 0))
		}
	})
}

// test tries a case on a connection, which may not be the server's first.
func (c *order) test(t *testing.T, s *server) {
	client := s.dial()
	for _, r := range c.requests {
		header := strings.Split(r, "\n")
		res := client.ask(header[0], header[1:]...)
		if strings.Contains(r, "page:mine") && res.body != "mine" {
			t.Errorf("the answer is %q", res.body)
		}
	}
	client.Close()
	got := s.untilTrace("END_OF_NET_SESSION", 1)
	connection, _, _ := strings.Cut(got[0], " ")
	wantTrace(t, got, strings.NewReplacer("a#1", connection, "IMAGES", s.dir+"/images", ".so", ending(s.mode)).Replace(c.want))
}

// wantTrace compares a trace with lines that may be indented.
func wantTrace(t *testing.T, got []string, want string) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(want) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if !slices.Equal(got, lines) {
		t.Errorf("the trace is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}
