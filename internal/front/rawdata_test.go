package front

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/testext"
)

// turned is what the filter scramble makes of bytes.
func turned(p []byte) []byte {
	out := make([]byte, len(p))
	for i, b := range p {
		out[i] = ^b
	}
	return out
}

type turning struct{ net.Conn }

func (t turning) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	copy(p, turned(p[:n]))
	return n, err
}

// TestRawCipher: a filter below HTTP has its own protocol with the client, over TLS and without, for files, extensions, and requests that
// the server itself answers. Its memory ends with the connection.
func TestRawCipher(t *testing.T) {
	for _, secure := range []bool{false, true} {
		x := newFiltered(t, func(c *config.Config) {
			c.Filters = []string{testext.Fixture(t, "filter_scramble"), testext.Fixture(t, "filter_trace", allEvents)}
			if secure {
				certificates(t, c)
				c.Sites[0].HTTP2 = false
			}
		}).serve()
		c := x.dial(secure)
		r := bufio.NewReader(turning{c})
		for _, w := range []struct{ path, want string }{{"/page.txt", "200 a page\n"}, {"/echo/a", "200 /a"}, {"/none", "404"}, {"/%zz", "400"}} {
			request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", w.path)
			request = append(fmt.Appendf(nil, "%08d", len(request)), turned(request)...)
			for len(request) > 0 { // in pieces
				n := min(5, len(request))
				if _, err := c.Write(request[:n]); err != nil {
					t.Fatal(err)
				}
				request = request[n:]
			}
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if got := fmt.Sprint(resp.StatusCode, " ", string(body)); !strings.HasPrefix(got, w.want) || err != nil {
				t.Errorf("%s: %s %v", w.path, got, err)
			}
		}
		c.Close()
		x.events("scramble secret=1 read=1 written=1", 1)

		c = x.dial(secure) // in clear text, on the same server
		if status, body := x.ask(c, bufio.NewReader(c), "/page.txt"); status != 200 || body != "a page\n" {
			t.Errorf("in clear text: %d %q", status, body)
		}
		c.Close()
		x.events("scramble secret=0 read=1 written=1", 1)

		c = x.dial(secure) // hangs up in the middle of what the filter waits for
		fmt.Fprint(c, "00001000abc")
		c.Close()
		x.events("scramble secret=0 read=1 written=0", 1)

		x.end()
		if n := strings.Count(strings.Join(x.events("", 0), "\n"), "scramble secret="); n != 3 {
			t.Errorf("secure %v: %d sessions of scramble ended", secure, n)
		}
	}
}

// TestRawUpcase: a filter of a site takes the first block for the head, and changes what follows, whoever answers and however long it is.
func TestRawUpcase(t *testing.T) {
	long := bytes.Repeat([]byte("long file\n"), 50000)
	x := newFiltered(t, func(c *config.Config) {
		c.Sites[0].Filters = []string{testext.Fixture(t, "filter_upcase")}
		for name, content := range map[string][]byte{"up/page.txt": []byte("of folder up"), "long.txt": long} {
			name = filepath.Join(c.Sites[0].Root, name)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}).serve()
	c := x.dial(false)
	r := bufio.NewReader(c)
	for n, w := range []struct{ path, want string }{
		{"/up/page.txt", "A PAGE\n"}, {"/page.txt", "a page\n"}, {"/up/long.txt", strings.ToUpper(string(long))}, {"/long.txt", string(long)},
	} {
		if status, body := x.ask(c, r, w.path); status != 200 || body != w.want {
			t.Errorf("%s: %d %.20q… of %d bytes", w.path, status, body, len(body))
		}
		last := x.events("upcase marked=", n+1)
		if want := fmt.Sprintf("upcase marked=%d wrong=0", 1-n%2); last[n] != want {
			t.Errorf("%s: %q, want %q", w.path, last[n], want)
		}
	}
}

// TestRawHead: whatever the server sends, also what it answers by itself, is shown to filters, the blocks of a response before the end
// of the request; a body of unknown length ends with the connection. The filters of a site see what is theirs.
func TestRawHead(t *testing.T) {
	stream := testext.Source(t, `
#include <string.h>
#include "httpext.h"
BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) { v->dwExtensionVersion = HSE_VERSION; strcpy(v->lpszExtensionDesc, "stream"); return TRUE; }
DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e)
{
    static char block[70000];
    DWORD n = sizeof block;
    memset(block, 's', sizeof block);
    e->WriteClient(e->ConnID, block, &n, HSE_IO_SYNC);
    n = 3;
    e->WriteClient(e->ConnID, "end", &n, HSE_IO_SYNC);
    return HSE_STATUS_SUCCESS;
}
`)
	events := "-DEVENTS=(SF_NOTIFY_PREPROC_HEADERS|SF_NOTIFY_SEND_RAW_DATA|SF_NOTIFY_END_OF_REQUEST|SF_NOTIFY_LOG|SF_NOTIFY_END_OF_NET_SESSION)"
	x := newFiltered(t, func(c *config.Config) {
		c.Filters = []string{testext.Fixture(t, "filter_trace", events, `-DNAME="all"`)}
		second := config.DefaultSite("second", c.Sites[0].Root)
		second.Bindings = []config.Binding{{Address: "127.0.0.1", Host: "second.example"}}
		second.Filters = []string{testext.Fixture(t, "filter_trace", events, `-DNAME="second"`)}
		second.Applications[0].Handlers = []config.Handler{{Path: "/stream/*", Extension: stream}}
		c.Sites = append(c.Sites, second)
	}).serve()
	c := x.dial(false)
	r := bufio.NewReader(c)
	x.ask(c, r, "/page.txt")
	x.ask(c, r, "/page.txt", "Host: second.example\r\n") // two hosts: net/http answers
	x.events("all#1 END_OF_NET_SESSION", 1)
	c = x.dial(false)
	fmt.Fprint(c, "GET /stream/ HTTP/1.1\r\nHost: second.example\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if len(body) != 70003 || err != nil || len(resp.TransferEncoding) > 0 || !resp.Close {
		t.Errorf("%d bytes, %v, coding %q, close %v", len(body), err, resp.TransferEncoding, resp.Close)
	}
	got := x.events("END_OF_NET_SESSION", 3)
	for mark, want := range map[string]string{
		"all#1":    `PREPROC_HEADERS,SEND_RAW_DATA head,END_OF_REQUEST,LOG,SEND_RAW_DATA head,END_OF_NET_SESSION`,
		"all#2":    `PREPROC_HEADERS,SEND_RAW_DATA head,SEND_RAW_DATA data,END_OF_REQUEST,LOG,END_OF_NET_SESSION`,
		"second#1": `PREPROC_HEADERS,SEND_RAW_DATA head,SEND_RAW_DATA data,END_OF_REQUEST,LOG,END_OF_NET_SESSION`,
	} {
		var list []string
		for _, line := range got {
			event, ok := strings.CutPrefix(line, mark+" ")
			if name, _, _ := strings.Cut(event, " "); name == "PREPROC_HEADERS" || name == "LOG" {
				event = name
			}
			if ok && (len(list) == 0 || list[len(list)-1] != event) {
				list = append(list, event)
			}
		}
		if strings.Join(list, ",") != want {
			t.Errorf("%s: %q, want %s", mark, list, want)
		}
	}
}

// TestRawHostile: what a filter does wrong with a block costs the connection, and nothing else.
func TestRawHostile(t *testing.T) {
	x := newFiltered(t, func(c *config.Config) { c.Filters = []string{testext.Fixture(t, "filter_raw")} }).serve()
	for _, w := range []struct{ word, want string }{
		{"R-crash", "HTTP/1.1 500 "}, {"R-length", "HTTP/1.1 500 "}, {"R-wild", "HTTP/1.1 500 "}, {"R-overrun", "HTTP/1.1 500 "}, {"R-huge", "HTTP/1.1 500 "},
		{"R-error", "HTTP/1.1 500 "}, {"R-error5", "HTTP/1.1 403 "}, {"R-finish", ""}, {"R-drop", ""}, {"R-keep", ""}, {"R-unknown", "HTTP/1.1 200 "},
		{"S-crash", ""}, {"S-length", ""}, {"S-wild", ""}, {"S-overrun", ""}, {"S-huge", ""}, {"S-error", ""}, {"S-finish", ""}, {"S-drop", ""}, {"S-own", "own"},
	} {
		c := x.dial(false)
		fmt.Fprintf(c, "GET /echo/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", w.word)
		if w.word == "R-drop" || w.word == "R-keep" {
			c.(*net.TCPConn).CloseWrite() // else it waits for a request
		}
		b, _ := io.ReadAll(c)
		if !strings.HasPrefix(string(b), w.want) || w.want == "" && len(b) > 0 || strings.Count(string(b), "HTTP/1.1") > 1 {
			t.Errorf("%s: %q, want %q", w.word, b, w.want)
		}
		if status, body := get(t, x.URLs()[0]+"page.txt"); status != 200 || body != "a page\n" {
			t.Errorf("after %s: %d %q", w.word, status, body)
		}
	}
	if n := x.Stats().Faults; n == 0 {
		t.Error("no fault was counted")
	}
}

// TestRawReload: connections that there are when a filter of raw data comes or goes go on. What is sent on them is shown to a filter that
// the request has; what is received is not, if the connection did not begin so.
func TestRawReload(t *testing.T) {
	raw := testext.Fixture(t, "filter_raw")
	x := newFiltered(t, func(*config.Config) {}).serve()
	with := func(filters ...string) {
		t.Helper()
		cfg := *x.setup.Load().cfg
		cfg.Filters = filters
		if _, err := x.Reload(t.Context(), &cfg); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(c net.Conn, path, want string) {
		t.Helper()
		fmt.Fprintf(c, "GET /echo/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path)
		if b, _ := io.ReadAll(c); !strings.HasSuffix(string(b), want) {
			t.Errorf("%s: %q, want %q", path, b, want)
		}
	}
	idle := func() net.Conn {
		c := x.dial(false)
		x.ask(c, bufio.NewReader(c), "/page.txt")
		return c
	}
	before := []net.Conn{idle(), idle()}
	with(raw)
	ask(before[0], "R-drop", "/R-drop")
	ask(before[1], "S-own", "own")
	ask(x.dial(false), "R-error", "Connection: close\r\n\r\n")
	ask(x.dial(false), "S-own", "own")
	after := []net.Conn{idle(), idle()}
	with()
	ask(after[0], "R-drop", "/R-drop")
	ask(after[1], "S-own", "/S-own")
	if n := strings.Count(strings.Join(x.events("END_OF_NET_SESSION", 6), "\n"), "END_OF_NET_SESSION"); n != 6 {
		t.Errorf("%d sessions ended", n)
	}
}

// TestRawHangUp: wherever a client hangs up, politely or not, its session ends once.
func TestRawHangUp(t *testing.T) {
	x := newFiltered(t, func(c *config.Config) {
		c.Filters = []string{testext.Fixture(t, "filter_raw")}
		if err := os.WriteFile(filepath.Join(c.Sites[0].Root, "long.txt"), bytes.Repeat([]byte("long"), 5<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}).serve()
	connections := 0
	for _, reset := range []bool{false, true} {
		for _, said := range []string{
			"G",
			"GET /page.txt HTTP/1.1\r\n",
			"GET /page.txt HTTP/1.1\r\nHost: x\r\n\r\n",
			"POST /echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nhalf of it",
			"POST /echo/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
			"GET /long.txt HTTP/1.1\r\nHost: x\r\n\r\n",
			"R-more, and",
			"GET /page.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /page.txt HTTP/1.1\r\nHost: x\r\n\r\nGET ",
		} {
			c := x.dial(false)
			if _, err := io.WriteString(c, said); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(said, "GET /") && strings.HasSuffix(said, "\r\n\r\n") {
				if _, err := io.ReadFull(c, make([]byte, 5)); err != nil { // it is being answered
					t.Errorf("%q: %v", said, err)
				}
			}
			if reset {
				_ = c.(*net.TCPConn).SetLinger(0)
			}
			c.Close()
			if reset { // what was sent may be lost with the connection, and then there was no event
				continue
			}
			connections++
			x.events("END_OF_NET_SESSION", connections)
		}
	}
	x.end()
	if n := strings.Count(strings.Join(x.events("", 0), "\n"), "END_OF_NET_SESSION"); n < connections || n > 2*connections {
		t.Errorf("%d sessions ended; %d connections were closed politely, and as many were reset", n, connections)
	}
}
