package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"
)

// descriptors returns how many this process may have, after asking for want.
func descriptors(t *testing.T, want uint64) uint64 {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Skip(err)
	}
	if limit.Cur < want {
		limit.Cur = min(want, limit.Max)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Skip(err)
		}
	}
	return limit.Cur
}

// crowd connects n clients, a few at a time, and lets each do something first.
func crowd(t *testing.T, n int, addr string, begin func(net.Conn) error) []net.Conn {
	t.Helper()
	clients := make([]net.Conn, n)
	errs := make(chan error, n)
	var all sync.WaitGroup
	few := make(chan struct{}, 64)
	for i := range clients {
		few <- struct{}{}
		all.Go(func() {
			defer func() { <-few }()
			c, err := net.Dial("tcp", addr)
			if err == nil {
				clients[i] = c
				_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
				err = begin(c)
			}
			if err != nil {
				errs <- err
			}
		})
	}
	all.Wait()
	t.Cleanup(func() {
		for _, c := range clients {
			if c != nil {
				c.Close()
			}
		}
	})
	select {
	case err := <-errs:
		t.Fatalf("%d of %d clients failed, one with: %v", len(errs)+1, n, err)
	default:
	}
	return clients
}

func roundTrip(c net.Conn) error {
	if _, err := io.WriteString(c, get("/", "h")); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(response.Body)
	if err == nil && string(body) != "hello" {
		err = fmt.Errorf("got %q", body)
	}
	return err
}

// Thousands of idle connections, and each still answers.
func TestManyIdle(t *testing.T) {
	if testing.Short() {
		t.Skip("opens thousands of connections")
	}
	n := min(10_000, (int(descriptors(t, 20_600))-500)/2)
	s := start(t, Limits{}, site("s", hello))
	clients := crowd(t, n, s.Addrs()[0].String(), roundTrip)
	if got := s.conns.Load(); got != int64(n) {
		t.Errorf("connections open: got %d, want %d", got, n)
	}
	fast := dial(t, s.Addrs()[0].String())
	for i, c := range clients {
		if err := roundTrip(c); err != nil {
			t.Fatalf("client %d of %d: %v", i, n, err)
		}
		if err := roundTrip(fast); err != nil {
			t.Fatalf("fast client: %v", err)
		}
	}
}

// A thousand clients that send half a request or do not read their response leave room for one that does.
func TestManySlow(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a thousand connections")
	}
	n := min(1000, (int(descriptors(t, 3000))-500)/2)
	s := start(t, Limits{}, site("s", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/big" {
			_, _ = w.Write(make([]byte, 8<<20))
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		hello(w, r)
	}))
	slow := []string{"GET / HT", get("/", "h")[:20], "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc", get("/big", "h")}
	var turn sync.Mutex
	i := 0
	crowd(t, n, s.Addrs()[0].String(), func(c net.Conn) error {
		turn.Lock()
		i++
		text := slow[i%len(slow)]
		turn.Unlock()
		_, err := io.WriteString(c, text)
		return err
	})
	for end := time.Now().Add(time.Minute); s.requests.Load() < int64(n/4*2) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	fast := dial(t, s.Addrs()[0].String())
	for range 1000 {
		if err := roundTrip(fast); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := s.requests.Load(), int64(n/4*2); got < want {
		t.Errorf("slow requests still running: got %d, want at least %d", got, want)
	}
}
