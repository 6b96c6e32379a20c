package conn

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/isapid/isapid/internal/testcert"
	"github.com/isapid/isapid/internal/testwait"
)

type counted struct {
	made  uint64
	ended atomic.Int64
}

func (c *counted) End() { c.ended.Add(1) }

// TestKeep: what is kept under a key is made once for a connection, and ends once, after the last request on it.
func TestKeep(t *testing.T) {
	secure := &tls.Config{Certificates: []tls.Certificate{testcert.New(t, t.TempDir()).Certificate}}
	for _, config := range []*tls.Config{nil, secure} {
		var made atomic.Int64
		all := make(chan *counted, 10)
		var inside, early atomic.Int64
		addr := serve(t, config, func(w http.ResponseWriter, r *http.Request) {
			inside.Add(1)
			defer inside.Add(-1)
			c := From(r.Context())
			v, kept := c.Keep("key", func(*Conn) Kept {
				made.Add(1)
				k := &counted{made: c.Number()}
				all <- k
				return k
			})
			other := c.AtEnd("other", func() { early.Add(inside.Load()) })
			fmt.Fprint(w, kept && other && v.(*counted).made == c.Number() && c.Number() != 0)
			if r.URL.Path == "/abort" {
				panic(http.ErrAbortHandler)
			}
		})
		open := func() net.Conn {
			if config == nil {
				return dial(t, addr)
			}
			return tls.Client(dial(t, addr), &tls.Config{InsecureSkipVerify: true})
		}
		for _, c := range []struct {
			name  string
			paths []string
		}{
			{"keep-alive, then hang up", []string{"/", "/"}},
			{"broken off", []string{"/", "/abort"}},
			{"hang up before the answer", nil},
		} {
			made.Store(0)
			client := open()
			r := bufio.NewReader(client)
			for _, p := range c.paths {
				send(t, client, get(p))
				if p == "/" {
					resp, err := http.ReadResponse(r, nil)
					if err != nil {
						t.Fatal(err)
					}
					b := make([]byte, 4)
					if _, err := resp.Body.Read(b); string(b) != "true" {
						t.Errorf("%s: the handler says %q, %v", c.name, b, err)
					}
				}
			}
			if c.paths == nil {
				send(t, client, get("/"))
			}
			k := <-all
			client.Close()
			testwait.Until(t, "the end of what is kept", func() bool { return k.ended.Load() == 1 })
			if made.Load() != 1 {
				t.Errorf("%s: made %d times", c.name, made.Load())
			}
		}
		if early.Load() != 0 {
			t.Error("a connection ended while a request ran on it")
		}
	}
}

// TestKeepNothing: where a request shares nothing with the next one, nothing is kept.
func TestKeepNothing(t *testing.T) {
	over := Wrap(nil)
	over.Ended()
	stream := Wrap(nil)
	stream.kind.Store(shared)
	for name, c := range map[string]*Conn{"none": nil, "over": over, "HTTP/2": stream} {
		if v, ok := c.Keep(1, func(*Conn) Kept { return &counted{} }); ok || v != nil {
			t.Errorf("%s: kept %v", name, v)
		}
		if c.AtEnd(1, func() { t.Errorf("%s: called", name) }) {
			t.Errorf("%s: AtEnd says that it will be called", name)
		}
		c.Ended()
	}
	if over.Number() == 0 || stream.Number() != 0 {
		t.Errorf("numbers %d and %d, want one and 0", over.Number(), stream.Number())
	}
}

// TestEndOrder: the end comes in the order of the beginning, once.
func TestEndOrder(t *testing.T) {
	c := Wrap(nil)
	var got []int
	for i := range 3 {
		c.AtEnd(i, func() { got = append(got, i) })
		c.AtEnd(i, func() { got = append(got, -1) })
	}
	c.Ended()
	c.Ended()
	if !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("ended %v", got)
	}
}

// passing is a key that a connection can outlive.
type passing struct{ gone chan struct{} }

func (p *passing) Gone() <-chan struct{} { return p.gone }

// TestForget: a connection that goes on does not keep what is of no use any more.
func TestForget(t *testing.T) {
	addr := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
		c := From(r.Context())
		c.AtEnd("stays", func() {})
		for range 100 {
			key := &passing{make(chan struct{})}
			if !c.AtEnd(key, func() { t.Error("the end of what is gone") }) {
				t.Error("not kept")
			}
			close(key.gone)
		}
		c.AtEnd("last", func() {})
		fmt.Fprint(w, len(c.session.kept))
	})
	client := dial(t, addr)
	fmt.Fprint(client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); string(body) != "2" {
		t.Errorf("%s are kept, %v; want 2", body, err)
	}
}
