package conn

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// ways are the three ways in which bytes leave.
var ways = map[string]func(c *Conn, file *os.File, data []byte) error{
	"write": func(c *Conn, _ *os.File, data []byte) error {
		_, err := c.Write(data)
		return err
	},
	"writev": func(c *Conn, _ *os.File, data []byte) error {
		c.Cork()
		if _, err := c.Write(data[:1000]); err != nil {
			return err
		}
		if _, err := c.Write(data[1000:]); err != nil {
			return err
		}
		return c.Uncork()
	},
	"sendfile": func(c *Conn, file *os.File, data []byte) error {
		_, err := io.CopyN(c, file, int64(len(data)))
		return err
	},
	"reader": func(c *Conn, _ *os.File, data []byte) error {
		_, err := io.Copy(c, io.MultiReader(bytes.NewReader(data))) // no WriterTo
		return err
	},
}

func fileWith(t *testing.T, data []byte) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestWriteTimeout(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 2<<20) // 32 MiB: more than the sockets hold
	for name, write := range ways {
		t.Run(name+"/client reads nothing", func(t *testing.T) {
			c, _ := pair(t)
			c.SetWriteTimeout(50 * time.Millisecond)
			if err := write(c, fileWith(t, data), data); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %v, want a timeout", err)
			}
		})
		t.Run(name+"/deadline of the server", func(t *testing.T) {
			c, _ := pair(t)
			c.SetWriteTimeout(time.Hour)
			_ = c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
			if err := write(c, fileWith(t, data), data); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %v, want a timeout", err)
			}
		})
	}
}

// A client that needs many times the limit, but moves, gets everything.
func TestWriteSlowClient(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	for name, write := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, client := pair(t)
			_ = client.SetReadBuffer(64 << 10)
			_ = c.tcp.SetWriteBuffer(64 << 10)
			const limit = time.Second
			c.SetWriteTimeout(limit)
			failed := make(chan error, 1)
			go func() {
				failed <- write(c, fileWith(t, data), data)
				_ = c.Close()
			}()
			var got []byte
			begin := time.Now()
			for piece := make([]byte, 64<<10); time.Since(begin) < 4*limit; time.Sleep(limit / 20) {
				n, err := client.Read(piece)
				if err != nil {
					t.Fatalf("after %d bytes: %v", len(got), err)
				}
				got = append(got, piece[:n]...)
			}
			rest, err := io.ReadAll(client)
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, rest...); !bytes.Equal(got, data) {
				t.Errorf("got %d bytes, want %d, or others", len(got), len(data))
			}
			if err := <-failed; err != nil {
				t.Error(err)
			}
		})
	}
}

// The socket knows a deadline of the HTTP server only when it is read.
func TestReadDeadline(t *testing.T) {
	c, client := pair(t)
	past, buf := time.Unix(1, 0), make([]byte, 1)
	read := func() error { _, err := c.Read(buf); return err }
	_ = c.SetReadDeadline(past)
	if err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a read behind its deadline: got %v, want a timeout", err)
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Hour))
	for range 3 {
		ended := make(chan error)
		go func() { ended <- read() }()
		for c.reading.inside.Load() == 0 {
			runtime.Gosched()
		}
		_ = c.SetReadDeadline(past)
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a deadline that is set while a read waits: got %v, want a timeout", err)
		}
		_ = c.SetReadDeadline(time.Time{})
	}
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := read(); err != nil || buf[0] != 'x' {
		t.Errorf("a read without a deadline: got %q, %v", buf, err)
	}
}

func TestBodyTimeout(t *testing.T) {
	c, client := pair(t)
	c.SetBodyTimeout(20 * time.Millisecond)
	if _, err := c.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) || !c.BodyTimedOut() {
		t.Fatalf("silent client: got %v, %v", err, c.BodyTimedOut())
	}
	if _, err := client.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 100)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the timeout: got %d bytes, %v, want none", n, err)
	}
	c.RequestEnded()
	_ = c.SetReadDeadline(time.Time{})
	if n, err := c.Read(make([]byte, 100)); n != 4 || err != nil {
		t.Errorf("next request: got %d bytes, %v", n, err)
	}
}
