package extension_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/testext"
)

// counting counts the writes that reach the socket. It hides the rest of *net.TCPConn.
type counting struct {
	net.Conn
	writes *atomic.Int32
}

func (c counting) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// watched tells how many bytes net/http hands over in a form the kernel can copy by itself.
type watched struct {
	*conn.Conn
	files *atomic.Int64
}

func (w watched) ReadFrom(r io.Reader) (int64, error) {
	n, err := w.Conn.ReadFrom(r)
	if l, ok := r.(*io.LimitedReader); ok {
		if _, ok := l.R.(*os.File); ok {
			w.files.Add(n)
		}
	}
	return n, err
}

type listener struct {
	net.Listener
	wrap func(net.Conn) net.Conn
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.wrap(c), nil
}

// ask gets one response of a fixture through connections made by wrap.
func ask(t *testing.T, fixture, query string, wrap func(net.Conn) net.Conn) string {
	t.Helper()
	e, err := extension.Open(testext.Fixture(t, fixture), executor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e.Execute(w, r, &executor.Target{ScriptName: "/x", App: &executor.App{}})
		}),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if w, ok := c.(watched); ok {
				c = w.Conn
			}
			return conn.NewContext(ctx, conn.Of(c))
		},
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = srv.Serve(listener{ln, wrap}) }()
	defer func() {
		srv.Close()
		<-served
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(c, "GET /?%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", query)
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(all), "\r\n\r\n")
	return body
}

func headers(length int) string {
	return "status=200%20OK&headers=" + url.PathEscape(fmt.Sprintf("Content-Length: %d\r\n\r\n", length))
}

// Head and memory elements of a VECTOR_SEND leave as one write on a plain connection.
func TestVectorIsOneWrite(t *testing.T) {
	for _, n := range []int{1, 16, 300} {
		for _, flags := range []string{"9", "0xa&cb=1"} {
			var writes atomic.Int32
			got := ask(t, "vector", "flags="+flags+"&"+headers(100*n)+strings.Repeat("&e=x100", n), func(c net.Conn) net.Conn {
				return conn.Wrap(counting{c, &writes})
			})
			if got != strings.Repeat("x", 100*n) {
				t.Errorf("%d elements, flags %s: got %d bytes, want %d", n, flags, len(got), 100*n)
			}
			if w := writes.Load(); w != 1 {
				t.Errorf("%d elements, flags %s: %d writes, want 1", n, flags, w)
			}
		}
	}
}

// Files go to the connection whole, and on Unix as files, which the kernel copies by itself (sendfile).
func TestFilesAreNotCopied(t *testing.T) {
	const size = 3 << 20
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	head := "head=" + url.PathEscape(fmt.Sprintf("Content-Length: %d\r\n\r\n", size-5))
	for fixture, query := range map[string]string{
		"transmit": "flags=10&cb=own&off=5&" + head + "&path=" + url.QueryEscape(name),
		"vector":   "flags=9&" + headers(size-5+2) + "&e=ma&e=f" + url.QueryEscape(name) + ",5&e=mb",
	} {
		var files atomic.Int64
		got := ask(t, fixture, query, func(c net.Conn) net.Conn { return watched{conn.Wrap(c), &files} })
		if n := len(strings.Trim(got, "ab")); n != size-5 {
			t.Errorf("%s: got %d bytes of the file, want %d", fixture, n, size-5)
		}
		if n := files.Load(); n < size-5-512 && runtime.GOOS != "windows" { // net/http looks at the first 512; Windows hands over none: see reply.Section
			t.Errorf("%s: %d bytes were handed over as a file, want %d", fixture, n, size-5)
		}
	}
}
