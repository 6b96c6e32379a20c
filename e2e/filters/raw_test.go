package filters

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/config"
)

// scrambled is a request as the filter scramble wants it.
func scrambled(request string) string {
	return fmt.Sprintf("%08d%s", len(request), turned(request))
}

func turned(text string) string {
	b := []byte(text)
	for i := range b {
		b[i] = ^b[i]
	}
	return string(b)
}

// READ_RAW_DATA comes before anything is parsed, and again with more; SEND_RAW_DATA has every byte of the answer.
func TestRawRead(t *testing.T) {
	request := text("GET /page.txt HTTP/1.1", "Connection: close")
	secret := scrambled(request)
	for name, pieces := range map[string][]string{
		"at once": {secret}, "in two": {secret[:30], secret[30:]}, "in the length": {secret[:3], secret[3:]}, "byte by byte": strings.Split(secret, ""),
		"post": {scrambled(text("POST /play/x?header=Content-Length:2%0d%0a%0d%0a&send=&write=ok", "Connection: close", "", strings.Repeat("b", 50_000)))},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, layout{mode: config.ModeInProcess, global: filters(t, config.ModeInProcess, built("filter_scramble")), handlers: extensions, images: images(t, config.ModeInProcess)})
			c := s.dial()
			for i, piece := range pieces {
				if i > 0 && len(pieces) < 10 {
					time.Sleep(5 * time.Millisecond) // so that it is likely to be read by itself
				}
				c.send(piece)
			}
			answer, err := io.ReadAll(c)
			if err != nil {
				t.Fatal(err)
			}
			want := "hello\n"
			if name == "post" {
				want = "ok"
			}
			plain := turned(string(answer))
			if !strings.HasPrefix(plain, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(plain, "\r\n\r\n"+want) {
				t.Errorf("the answer is %q, turned over %q", answer, plain)
			}
			s.untilTrace("scramble secret=1 read=1 written=1", 1)
			s.get("/page.txt").want(t, 200, "hello\n") // others are left alone
		})
	}
}

// SEND_RAW_DATA is reversed: the filter of high priority is next to the wire. Blocks become longer, and others come after that.
func TestRawWrite(t *testing.T) {
	s := start(t, layout{mode: config.ModeInProcess, global: filters(t, config.ModeInProcess,
		built("filter_mark", `-DNAME="high"`, "-DORDER=SF_NOTIFY_ORDER_HIGH"), built("filter_mark", `-DNAME="low"`, "-DORDER=SF_NOTIFY_ORDER_LOW")),
		handlers: extensions, images: images(t, config.ModeInProcess)})
	c := s.dial()
	for range 3 {
		for _, url := range []string{"/page.txt", "/long.txt", "/play/x?header=Content-Length:6%0d%0a%0d%0a&send=&write=one&flush=1&write=two", "/none.txt", "/folder"} {
			res := c.ask("GET " + url)
			res.wantHeader(t, "X-Mark", "high, low")
		}
	}
	c.ask("GET /page.txt").want(t, 200, "hello\n")
}

// A block of no bytes is not sent.
func TestRawDrop(t *testing.T) {
	s := start(t, layout{mode: config.ModeInProcess, global: filters(t, config.ModeInProcess, built("filter_mark")), handlers: extensions, images: images(t, config.ModeInProcess)})
	res := s.get("/play/x?header=Content-Type:text/plain%0d%0aContent-Length:3%0d%0a%0d%0a&ex=&flush=1&write=drop&write=one")
	if res.body != "one" {
		t.Logf("got %q", res.body)
	}
}

// What upcase takes for granted: a first block with all of the header, memory that can be written to.
func TestUpcase(t *testing.T) {
	s := start(t, layout{mode: config.ModeInProcess, app: filters(t, config.ModeInProcess, built("filter_upcase")), handlers: extensions, images: images(t, config.ModeInProcess)})
	c := s.dial()
	c.ask("GET /up/page.txt").want(t, 200, "HELLO\n")
	c.ask("GET /page.txt").want(t, 200, "hello\n")
	res := c.ask("GET /up/long.txt")
	if len(res.body) != 320000 || strings.ContainsAny(res.body, "abcdef") {
		t.Errorf("%d bytes, %.40q", len(res.body), res.body)
	}
	c.ask("GET /up/page.txt").want(t, 200, "HELLO\n")
	for _, line := range s.trace() {
		if strings.Contains(line, "wrong=1") {
			t.Errorf("a first block without the end of the header: %s", line)
		}
	}
}

// A block that is not as long as the filter says does not take the server down.
func TestRawLies(t *testing.T) {
	s := start(t, layout{mode: config.ModeInProcess, global: filters(t, config.ModeInProcess,
		built("filter_hostile", "-DEVENTS=(SF_NOTIFY_PREPROC_HEADERS|SF_NOTIFY_SEND_RAW_DATA)"))})
	_, err := s.attempt("GET /page.txt", "X-Hostile: raw")
	t.Logf("the answer: %v", err)
	s.get("/page.txt").want(t, 200, "hello\n")
}

// Filters of raw data are refused where they cannot be what they are, with a sentence that says why.
func TestRawRefused(t *testing.T) {
	read, send := built("filter_scramble"), built("filter_mark")
	for name, c := range map[string]struct {
		layout layout
		word   string
	}{
		"isolated read":    {layout{mode: config.ModeIsolated, global: filters(t, config.ModeIsolated, read)}, "mode: in-process"},
		"isolated send":    {layout{mode: config.ModeIsolated, app: filters(t, config.ModeIsolated, send)}, "mode: in-process"},
		"read of a site":   {layout{mode: config.ModeInProcess, site: filters(t, config.ModeInProcess, read)}, "READ_RAW_DATA"},
		"read of one part": {layout{mode: config.ModeInProcess, app: filters(t, config.ModeInProcess, read)}, "READ_RAW_DATA"},
		"HTTP/2":           {layout{mode: config.ModeInProcess, global: filters(t, config.ModeInProcess, send), tls: true}, "HTTP/2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := try(t, c.layout)
			if err == nil {
				t.Fatal("it was loaded")
			}
			if !strings.Contains(err.Error(), c.word) {
				t.Errorf("the error is %q, without a word about %s", err, c.word)
			}
			t.Log(err)
		})
	}
	t.Run("only plain", func(t *testing.T) { // which is no contradiction to a binding with TLS
		s := start(t, layout{mode: config.ModeInProcess, tls: true, global: filters(t, config.ModeInProcess, built("filter_scramble", "-DPORTS=SF_NOTIFY_NONSECURE_PORT"))})
		s.get("/page.txt").want(t, 200, "hello\n")
	})
}
