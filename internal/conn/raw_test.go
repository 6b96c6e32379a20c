package conn

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/testcert"
)

// turned is the request or response of somebody who turns each byte upside down on the wire.
func turned(p []byte) []byte {
	out := make([]byte, len(p))
	for i, b := range p {
		out[i] = ^b
	}
	return out
}

// rawTest is both sides of a filter, in Go.
type rawTest struct {
	mu      sync.Mutex
	overlap atomic.Bool
	blocks  [][]byte // sent
	receive func(data []byte, send func([]byte) error) ([]byte, int, error)
	send    func(block []byte, write func([]byte) error) error
}

// rawConn is the receiving side of one connection.
type rawConn struct {
	*rawTest
	inside atomic.Int64
}

func (f *rawConn) Receive(data []byte, send func([]byte) error) ([]byte, int, error) {
	if f.inside.Add(1) > 1 {
		f.overlap.Store(true)
	}
	defer f.inside.Add(-1)
	return f.receive(append([]byte(nil), data...), send)
}

func (f *rawTest) Send(block []byte, write func([]byte) error) error {
	f.mu.Lock()
	f.blocks = append(f.blocks, append([]byte(nil), block...))
	f.mu.Unlock()
	return f.send(block, write)
}

// serveRaw is serve with a filter on each connection.
func serveRaw(t *testing.T, config *tls.Config, f *rawTest, handler http.HandlerFunc) string {
	t.Helper()
	filtering = func(c *Conn) {
		var r Receiver
		var s Sender
		if f.receive != nil {
			r = &rawConn{rawTest: f}
		}
		if f.send != nil {
			s = f
		}
		c.Filter(r, s)
	}
	t.Cleanup(func() {
		filtering = nil
		if f.overlap.Load() {
			t.Error("two calls of Receive at a time on one connection")
		}
	})
	return serve(t, config, handler)
}

func bothWays(t *testing.T) []*tls.Config {
	return []*tls.Config{nil, {Certificates: []tls.Certificate{testcert.New(t, t.TempDir()).Certificate}}}
}

func connect(t *testing.T, addr string, config *tls.Config) net.Conn {
	if config == nil {
		return dial(t, addr)
	}
	return tls.Client(dial(t, addr), &tls.Config{InsecureSkipVerify: true})
}

// TestRawTurned: the HTTP server sees what the receiver makes of the bytes, the client what the sender makes of them, whatever the
// pieces in which they come.
func TestRawTurned(t *testing.T) {
	for _, config := range bothWays(t) {
		f := &rawTest{
			receive: func(data []byte, _ func([]byte) error) ([]byte, int, error) { return turned(data), 0, nil },
			send:    func(block []byte, write func([]byte) error) error { return write(turned(block)) },
		}
		addr := serveRaw(t, config, f, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %d %v", r.URL, len(body), err)
			_, _ = w.Write(body)
		})
		for _, piece := range []int{1, 7, 1 << 20} {
			c := connect(t, addr, config)
			body := strings.Repeat("0123456789", min(20000, 300*piece)) // a write of a few bytes takes as long as one of many
			for range 3 {
				request := turned([]byte(fmt.Sprintf("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)))
				go func() {
					for len(request) > 0 {
						n := min(piece, len(request))
						if piece == 1 && len(request) < len(body) {
							n = min(1000, len(request))
						}
						if _, err := c.Write(request[:n]); err != nil {
							return
						}
						request = request[n:]
					}
				}()
				resp, err := http.ReadResponse(bufio.NewReader(&turning{c}), nil)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				if want := fmt.Sprintf("/a %d <nil>%s", len(body), body); string(got) != want || err != nil {
					t.Fatalf("pieces of %d: %.50q… (%d bytes), %v", piece, got, len(got), err)
				}
			}
		}
	}
}

type turning struct{ net.Conn }

func (t *turning) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	copy(p, turned(p[:n]))
	return n, err
}

// TestFirstBlock: the first block has the whole head however long that is, none is empty, and interim responses are not seen.
func TestFirstBlock(t *testing.T) {
	for _, config := range bothWays(t) {
		f := &rawTest{send: func(block []byte, write func([]byte) error) error {
			for i := range block { // it may be changed
				block[i] |= 0
			}
			return write(block)
		}}
		long := strings.Repeat("x", 3000)
		addr := serveRaw(t, config, f, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			for i := range 5 {
				w.Header().Set(fmt.Sprint("X-Long-", i), long)
			}
			From(r.Context()).SetReason(200, "As I say")
			_, _ = io.WriteString(w, "one")
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "two")
		})
		c := connect(t, addr, config)
		r := bufio.NewReader(c)
		for range 2 {
			send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
			if line, err := r.ReadString('\n'); !strings.Contains(line, "100 Continue") {
				t.Fatalf("%q %v", line, err)
			}
			_, _ = r.ReadString('\n')
			send(t, c, "x")
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(resp.Body); string(body) != "onetwo" || err != nil {
				t.Errorf("%q %v", body, err)
			}
			f.mu.Lock()
			blocks := f.blocks
			f.blocks = nil
			f.mu.Unlock()
			if !bytes.HasPrefix(blocks[0], []byte("HTTP/1.1 200 As I say\r\n")) || !bytes.Contains(blocks[0], []byte("\r\n\r\n")) {
				t.Errorf("first block %.60q… of %d bytes", blocks[0], len(blocks[0]))
			}
			for _, b := range blocks {
				if len(b) == 0 || bytes.Contains(b, []byte("100 Continue")) {
					t.Errorf("block %.60q", b)
				}
			}
			if len(blocks) < 2 {
				t.Errorf("%d blocks", len(blocks))
			}
		}
	}
}

// TestSenderSeesFiles: a file does not go past the sender, on neither kind of connection; without one it still goes by sendfile.
func TestSenderSeesFiles(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	content := bytes.Repeat([]byte("file\n"), 100000)
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, config := range bothWays(t) {
		f := &rawTest{send: func(block []byte, write func([]byte) error) error { return write(bytes.ToUpper(block)) }}
		addr := serveRaw(t, config, f, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/plain" {
				From(r.Context()).SendThrough(nil)
			}
			http.ServeFile(w, r, name)
		})
		c := connect(t, addr, config)
		r := bufio.NewReader(c)
		for _, x := range []struct {
			path string
			want []byte
		}{{"/", bytes.ToUpper(content)}, {"/plain", content}, {"/", bytes.ToUpper(content)}} {
			send(t, c, get(x.path))
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if !bytes.Equal(body, x.want) || err != nil {
				t.Errorf("%s: %.20q… (%d bytes) %v", x.path, body, len(body), err)
			}
		}
	}
}

// TestSuppressed: what the sender does not pass on is not sent; what it writes besides is.
func TestSuppressed(t *testing.T) {
	n := 0
	f := &rawTest{send: func(block []byte, write func([]byte) error) error {
		if n++; n%2 == 0 {
			return nil
		}
		return write(append(block, "and more"...))
	}}
	addr := serveRaw(t, nil, f, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "11")
		_, _ = io.WriteString(w, "one")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "gone")
		_ = http.NewResponseController(w).Flush()
	})
	c := dial(t, addr)
	send(t, c, get("/"))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); string(body) != "oneand more" || err != nil {
		t.Errorf("%q %v", body, err)
	}
}

// TestRawHeld: a receiver that wants more first gets it; the HTTP server sees nothing until then. What it answers itself is sent.
func TestRawHeld(t *testing.T) {
	var held []byte
	var sizes []int
	f := &rawTest{receive: func(data []byte, send func([]byte) error) ([]byte, int, error) {
		sizes = append(sizes, len(data))
		held = append(held, data...)
		switch {
		case bytes.Contains(held, []byte("/own")):
			_ = send([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown"))
			return nil, 0, io.EOF
		case !bytes.Contains(held, []byte("\r\n\r\n")):
			return nil, 3, nil
		}
		out := held
		held = nil
		return out, 0, nil
	}}
	addr := serveRaw(t, nil, f, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL) })
	c := dial(t, addr)
	r := bufio.NewReader(c)
	send(t, c, "GET /ab")
	send(t, c, "c HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(resp.Body); string(body) != "/abc" {
		t.Errorf("%q", body)
	}
	for _, n := range sizes[1:] {
		if n > 3 {
			t.Errorf("wanted 3 bytes, got %d", n)
		}
	}
	send(t, c, get("/own"))
	all, err := io.ReadAll(r)
	if string(all) != "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown" || err != nil {
		t.Errorf("%q %v", all, err)
	}
}

// TestRawWhileRunning: while a request runs nothing is shown to the receiver; the client that leaves is noticed all the same, and the one
// that sends more requests, and then closes its side, gets an answer to each.
func TestRawWhileRunning(t *testing.T) {
	var running atomic.Int64
	early := make(chan string, 10)
	f := &rawTest{receive: func(data []byte, _ func([]byte) error) ([]byte, int, error) {
		if running.Load() > 0 {
			early <- string(data)
		}
		return data, 0, nil
	}}
	entered, left, goOn := make(chan bool, 4), make(chan bool, 4), make(chan bool, 4)
	addr := serveRaw(t, nil, f, func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		entered <- true
		if r.URL.Path == "/leave" {
			<-r.Context().Done()
			running.Add(-1)
			left <- true
			return
		}
		defer running.Add(-1)
		<-goOn
		fmt.Fprint(w, r.URL)
	})
	c := dial(t, addr)
	send(t, c, get("/leave"))
	<-entered
	c.Close()
	<-left

	c = dial(t, addr)
	send(t, c, get("/1"))
	<-entered
	send(t, c, get("/2"))
	send(t, c, get("/3", "Connection: close\r\n"))
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // for what must not happen
	r := bufio.NewReader(c)
	for n := 1; n <= 3; n++ {
		goOn <- true
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(resp.Body); string(body) != fmt.Sprint("/", n) {
			t.Errorf("%q", body)
		}
	}
	select {
	case data := <-early:
		t.Errorf("shown while a request ran: %q", data)
	default:
	}
}
