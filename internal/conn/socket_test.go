package conn

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"testing"

	"github.com/isapid/isapid/internal/testwait"
	"github.com/isapid/isapid/internal/underwine"
)

// pair is a connected pair of sockets.
func pair(t *testing.T) (*Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client := dial(t, l.Addr().String())
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := Wrap(server)
	t.Cleanup(func() { c.Close() })
	return c, client.(*net.TCPConn)
}

func TestAlive(t *testing.T) {
	tests := []struct {
		name string
		end  func(*Conn, *net.TCPConn)
	}{
		{"client closes", func(_ *Conn, client *net.TCPConn) { client.Close() }},
		{"client half-closes", func(_ *Conn, client *net.TCPConn) { _ = client.CloseWrite() }},
		{"client resets", func(_ *Conn, client *net.TCPConn) { _ = client.SetLinger(0); client.Close() }},
		{"we abort", func(c *Conn, _ *net.TCPConn) { _ = c.Abort() }},
		{"we close", func(c *Conn, _ *net.TCPConn) { _ = c.Close() }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, client := pair(t)
			if !c.Alive() {
				t.Fatal("fresh connection: got not alive")
			}
			if _, err := client.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			testwait.Until(t, "byte arrives and Alive leaves it", func() bool { return c.Alive() })
			if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
				t.Fatalf("read after Alive: got %d, %v, want the byte", n, err)
			}
			test.end(c, client)
			testwait.Until(t, "Alive says false", func() bool { return !c.Alive() })
		})
	}
}

func TestAbort(t *testing.T) {
	c, client := pair(t)
	failed := make(chan error, 2)
	go func() {
		_, err := c.Read(make([]byte, 1))
		failed <- err
	}()
	go func() {
		_, err := c.Write(make([]byte, 64<<20)) // more than all buffers
		failed <- err
	}()
	if _, err := io.ReadFull(client, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := c.Abort(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-failed; err == nil {
			t.Error("pending read or write: got no error")
		}
	}
	if err := c.Abort(); err != nil {
		t.Errorf("second abort: %v", err)
	}
	if _, ok := c.Descriptor(); ok {
		t.Error("descriptor after abort: got one")
	}
}

func TestResetOnClose(t *testing.T) {
	if underwine.Version() != "" {
		t.Skip("a client under Wine 8 does not always see a reset; one outside does")
	}
	for _, path := range []string{"/keep", "/close", "/abort"} {
		c := dial(t, serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
			if err := From(r.Context()).ResetOnClose(); err != nil {
				t.Error(err)
			}
			switch r.URL.Path {
			case "/abort":
				_ = From(r.Context()).Abort()
			case "/close":
				panic(http.ErrAbortHandler)
			default:
				w.Header().Set("Connection", "close")
			}
		}))
		send(t, c, get(path))
		if _, err := io.ReadAll(c); !errors.Is(err, connReset) {
			t.Errorf("%s: client got %v, want a reset", path, err)
		}
	}
}

// Every method of a nil Conn does nothing.
func TestNil(t *testing.T) {
	c := From(context.Background())
	if c != nil {
		t.Fatal("context without a connection has one")
	}
	v := reflect.ValueOf(c)
	for i := range v.NumMethod() {
		m := v.Method(i)
		args := make([]reflect.Value, m.Type().NumIn())
		for j := range args {
			args[j] = reflect.Zero(m.Type().In(j))
		}
		for _, result := range m.Call(args) {
			if result.Kind() == reflect.Bool && result.Bool() {
				t.Errorf("%s: got true", v.Type().Method(i).Name)
			}
		}
	}
}
