package conn

import (
	"bufio"
	"net/http"
	"testing"

	"github.com/isapid/isapid/internal/testwait"
	"golang.org/x/sys/unix"
)

// TestRawFull: a client that floods while a request runs is not read without end, and does not keep the request from ending.
func TestRawFull(t *testing.T) {
	f := &rawTest{receive: func(data []byte, _ func([]byte) error) ([]byte, int, error) { return data, 0, nil }}
	conns, goOn := make(chan *Conn, 1), make(chan bool)
	addr := serveRaw(t, nil, f, func(w http.ResponseWriter, r *http.Request) {
		conns <- From(r.Context())
		<-goOn
	})
	for _, abort := range []bool{false, true} {
		c := dial(t, addr)
		send(t, c, get("/"))
		at := <-conns
		flood := make(chan struct{})
		go func() {
			defer close(flood)
			for range 1000 {
				if _, err := c.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}()
		testwait.Until(t, "a full buffer", func() bool { n, err := queued(at); return err == nil && n > largeBlock })
		if abort {
			_ = at.Abort()
		}
		goOn <- true
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if abort == (err == nil) {
			t.Errorf("abort %v: %v, %v", abort, resp, err)
		}
		c.Close()
		<-flood
	}
}

// queued is how many bytes the socket holds that nobody has read.
func queued(c *Conn) (n int, err error) {
	c.control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	return n, err
}
