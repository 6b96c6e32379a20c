package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestTooLong(t *testing.T) {
	limits := Limits{Header: 8192, Body: 1000, URL: 100, Query: 50}
	ran := make(chan string, 100)
	s := start(t, limits, site("s", func(w http.ResponseWriter, r *http.Request) {
		ran <- r.Method
		body, err := io.ReadAll(r.Body)
		switch tooLarge := new(http.MaxBytesError); {
		case errors.As(err, &tooLarge) && r.URL.Path == "/own":
			http.Error(w, "own answer", http.StatusTeapot)
		case err == nil:
			fmt.Fprint(w, len(body))
		}
	}))
	post := func(path, fields, body string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n" + body
	}
	chunk := func(n int) string { return fmt.Sprintf("%x\r\n%s\r\n", n, strings.Repeat("x", n)) }
	tests := []struct {
		name, request string
		status        int
		body          string
		runs          bool
	}{
		{"fits", get("/"+strings.Repeat("u", 99)+"?"+strings.Repeat("q", 50), "h"), 200, "0", true},
		{"path", get("/"+strings.Repeat("u", 100), "h"), 404, "s page 404.14", false},
		{"query", get("/?"+strings.Repeat("q", 51), "h"), 404, "s page 404.15", false},
		{"header", get("/", "h\r\nA: "+strings.Repeat("a", 13000)), 431, "431 Request Header Fields Too Large", false},
		{"header fits", get("/", "h\r\nA: "+strings.Repeat("a", 8000)), 200, "0", true},
		{"body fits", post("/", "Content-Length: 1000\r\n", strings.Repeat("x", 1000)), 200, "1000", true},
		{"declared", post("/", "Content-Length: 1001\r\n", ""), 413, "s page 413.1", false},
		{"declared, huge", post("/", "Content-Length: 9000000000000000000\r\n", ""), 413, "s page 413.1", false},
		{"declared, asks first", post("/", "Content-Length: 1001\r\nExpect: 100-continue\r\n", ""), 413, "s page 413.1", false},
		{"chunked fits", post("/", "Transfer-Encoding: chunked\r\n", chunk(500)+chunk(500)+"0\r\n\r\n"), 200, "1000", true},
		{"chunked", post("/", "Transfer-Encoding: chunked\r\n", chunk(500)+chunk(501)), 413, "s page 413.1", true},
		{"chunked, handler answers", post("/own", "Transfer-Encoding: chunked\r\n", chunk(2000)), 418, "own answer\n", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, body := ask(t, s.Addrs()[0].String(), test.request)
			if status != test.status || body != test.body {
				t.Errorf("got %d %q, want %d %q", status, body, test.status, test.body)
			}
			if got := len(ran) > 0; got != test.runs {
				t.Errorf("handler ran: got %v, want %v", got, test.runs)
			}
			for len(ran) > 0 {
				<-ran
			}
		})
	}
}

func TestConcurrent(t *testing.T) {
	g := newGate(t)
	s := start(t, Limits{Concurrent: 2}, site("s", g.ServeHTTP))
	for range 2 {
		send(t, dial(t, s.Addrs()[0].String()), get("/", "h"))
		<-g.entered
	}
	response, err := http.Get(s.url())
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	body, _ := io.ReadAll(response.Body)
	response.Body.Close()
	if response.StatusCode != 503 || string(body) != "s page 503.2" || response.Header.Get("Retry-After") == "" {
		t.Errorf("third: got %d %q, Retry-After %q", response.StatusCode, body, response.Header.Get("Retry-After"))
	}
	g.open()
	for status := 503; status != 200; {
		status, _ = ask(t, s.Addrs()[0].String(), get("/", "h"))
	}
}

// Each of these clients stands still, and the server ends it.
func TestStandstill(t *testing.T) {
	const short = 100 * time.Millisecond
	wrote := make(chan struct{})
	big := func(w http.ResponseWriter, r *http.Request) {
		defer close(wrote)
		_, err := w.Write(make([]byte, 64<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: got %v, want a timeout", err)
		}
	}
	read := func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: got %v, want a timeout", err)
		}
	}
	const half = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345"
	tests := []struct {
		name    string
		limits  Limits
		handler http.HandlerFunc
		sent    string
		want    string // beginning of what the client gets
	}{
		{"says nothing", Limits{HeaderTimeout: short}, hello, "", ""},
		{"half a header", Limits{HeaderTimeout: short}, hello, "GET / HTTP/1.1\r\nHo", "HTTP/1.1 400"},
		{"idle", Limits{IdleTimeout: short}, hello, get("/", "h"), "HTTP/1.1 200"},
		{"half a second header", Limits{HeaderTimeout: short}, hello, get("/", "h") + "GET / H", "HTTP/1.1 200"},
		{"half a body", Limits{BodyTimeout: short}, read, half, ""},
		{"half a chunk", Limits{BodyTimeout: short}, read, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", ""},
		{"half a body nobody reads", Limits{BodyTimeout: short}, hello, half, "HTTP/1.1 200"},
		{"half a body for no site", Limits{BodyTimeout: short}, hello, strings.Replace(half, "h", "other", 1), "HTTP/1.1 404"},
		{"half a body too large", Limits{BodyTimeout: short, Body: 9}, hello, half, "HTTP/1.1 413"},
		{"reads nothing", Limits{WriteTimeout: short}, big, get("/", "h"), "HTTP/1.1 200"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, test.limits, site("s", test.handler, Binding{Addr: "127.0.0.1:0", Host: "h"}))
			c := dial(t, s.Addrs()[0].String())
			send(t, c, test.sent)
			if test.name == "reads nothing" {
				<-wrote
			}
			got, err := io.ReadAll(c)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("the server never ended it")
			}
			if !strings.HasPrefix(string(got), test.want) || test.want == "" && len(got) > 0 {
				t.Errorf("got %.100q, want it to begin with %q", got, test.want)
			}
		})
	}
}

// What takes longer than every limit, but moves, is not cut; and a handler may take its time.
func TestMovement(t *testing.T) {
	const limit = time.Second
	if testing.Short() {
		t.Skip("takes seconds")
	}
	s := start(t, Limits{BodyTimeout: limit, HeaderTimeout: limit}, site("s", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		select {
		case <-time.After(2 * limit):
		case <-r.Context().Done():
			err = r.Context().Err()
		}
		fmt.Fprint(w, n, err)
	}))
	c := dial(t, s.Addrs()[0].String())
	const n = 60
	send(t, c, fmt.Sprintf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", n))
	for range n {
		send(t, c, "x")
		time.Sleep(limit / 20)
	}
	r := bufio.NewReader(c)
	if status, body := answer(t, r); status != 200 || body != "60 <nil>" {
		t.Errorf("got %d %q", status, body)
	}
	send(t, c, get("/", "h"))
	if status, body := answer(t, r); status != 200 || body != "0 <nil>" {
		t.Errorf("next request: got %d %q", status, body)
	}
}
