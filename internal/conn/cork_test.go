package conn

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// counting counts the calls that reach the socket. It hides the rest of *net.TCPConn, so that writev falls apart into one
// Write for each piece.
type counting struct {
	net.Conn
	writes atomic.Int32
}

func (c *counting) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func TestCorkWrites(t *testing.T) {
	tests := []struct {
		name   string
		pieces []int
		want   int32
	}{
		{"nothing", nil, 0},
		{"one", []int{5}, 1},
		{"many small", []int{200, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0}, 1},
		{"just full", []int{corkSize - 1, 1}, 1},
		{"overflow takes the piece along", []int{corkSize - 1, 2, 7}, 3},
		{"large alone", []int{corkSize + 1}, 1},
		{"small then large", []int{10, 3 * corkSize, 10}, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client, server := net.Pipe()
			below := &counting{Conn: server}
			c := Wrap(below)
			got := make(chan []byte)
			go func() {
				all, _ := io.ReadAll(client)
				got <- all
			}()
			var want []byte
			c.Cork()
			c.Cork()
			for i, n := range test.pieces {
				p := bytes.Repeat([]byte{byte('a' + i)}, n)
				want = append(want, p...)
				if m, err := c.Write(p); m != n || err != nil {
					t.Fatalf("write %d: got %d, %v", n, m, err)
				}
				for i := range p {
					p[i] = '!' // the caller may reuse it
				}
			}
			if err := c.Uncork(); err != nil {
				t.Fatal(err)
			}
			if n := below.writes.Load(); n != test.want {
				t.Errorf("writes: got %d, want %d", n, test.want)
			}
			_ = c.Close()
			if all := <-got; !bytes.Equal(all, want) {
				t.Errorf("client got %d bytes, want %d, or others", len(all), len(want))
			}
		})
	}
}

// What the handler forgot to uncork still arrives, on a connection that goes on and on one that ends.
func TestCorkForgotten(t *testing.T) {
	addr := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
		From(r.Context()).Cork()
		_, _ = io.WriteString(w, "page")
	})
	for _, line := range []string{"", "Connection: close\r\n"} {
		c := dial(t, addr)
		send(t, c, get("/", line))
		got := make([]byte, 0, 1024)
		for !bytes.HasSuffix(got, []byte("page")) {
			n, err := c.Read(got[len(got):cap(got)])
			if err != nil {
				t.Fatalf("after %q: %v", got, err)
			}
			got = got[:len(got)+n]
		}
	}
}

// On a real socket, the kernel's own count of system calls.
func TestCorkSystemCalls(t *testing.T) {
	if _, err := os.Stat("/proc/self/io"); err != nil || runtime.GOOS != "linux" { // under Wine it is there, with Wine's own calls in it
		t.Skip("no count of system calls")
	}
	const pieces = 300
	counts := make(chan int, 1)
	c := dial(t, serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
		conn := From(r.Context())
		before := writeCalls(t)
		conn.Cork()
		w.Header().Set("Content-Length", strconv.Itoa(pieces*100))
		for range pieces {
			_, _ = w.Write(bytes.Repeat([]byte("."), 100))
			w.(http.Flusher).Flush()
		}
		if err := conn.Uncork(); err != nil {
			t.Error(err)
		}
		counts <- writeCalls(t) - before
	}))
	send(t, c, get("/", "Connection: close\r\n"))
	all, err := io.ReadAll(c)
	if err != nil || !bytes.HasSuffix(all, bytes.Repeat([]byte("."), pieces*100)) {
		t.Fatalf("got %d bytes, %v", len(all), err)
	}
	if n := <-counts; n < 1 || n > 20 { // the runtime may write to its own wake-up descriptor
		t.Errorf("%d pieces took %d system calls, want about one", pieces, n)
	}
}

func writeCalls(t *testing.T) int {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Error(err)
	}
	_, after, _ := strings.Cut(string(text), "syscw: ")
	n, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Error(err)
	}
	return n
}
