package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lifetime is that of a server that nobody ends.
const lifetime = 10 * time.Minute

// serve is a server with its worker until SIGTERM: how it waits for the answer is none (it does not ask), block (the handler
// itself, in the system call), poll (the handler, in Go's poller) or two (a goroutine reads and hands over). worker is how that waits,
// or a program.
func serve(front, worker, addr string) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, lifetime)
	defer cancel()
	ours, theirs, err := pair()
	if err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe", "work", worker)
	if worker[0] == '/' {
		cmd = exec.Command(worker)
	}
	end := os.NewFile(uintptr(theirs), "worker's end")
	cmd.ExtraFiles, cmd.Stderr = []*os.File{end}, os.Stderr
	err = cmd.Start()
	end.Close()
	if err != nil {
		return errors.Join(err, unix.Close(ours))
	}
	defer func() {
		kill := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		err = errors.Join(err, cmd.Wait())
	}()
	ask, hangUp, err := asker(front, ours)
	defer hangUp() // then the worker ends
	if err != nil {
		return err
	}
	page := []byte("<html><body>hello from GET /hello</body></html>\n")
	server := &http.Server{Addr: addr, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := ask(); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_, _ = w.Write(page)
	})}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// asker asks the worker, one request at a time. hangUp, which is never nil, closes the stream.
func asker(front string, fd int) (ask func() error, hangUp func(), err error) {
	request, buf := make([]byte, requestSize), make([]byte, bufSize)
	var mu sync.Mutex
	locked := func(f func() error) func() error {
		return func() error {
			mu.Lock()
			defer mu.Unlock()
			return f()
		}
	}
	switch front {
	case "none":
		return func() error { return nil }, func() { _ = unix.Close(fd) }, nil
	case "block":
		return locked(func() error {
			if _, err := unix.Write(fd, request); err != nil {
				return err
			}
			_, err := unix.Read(fd, buf)
			return err
		}), func() { _ = unix.Close(fd) }, nil
	}
	c, err := polled(fd)
	if err != nil {
		return nil, func() { _ = unix.Close(fd) }, err
	}
	if front == "poll" {
		return locked(func() error {
			if _, err := c.Write(request); err != nil {
				return err
			}
			_, err := c.Read(buf)
			return err
		}), func() { c.Close() }, nil
	}
	answers, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		defer close(answers)
		for {
			if n, err := c.Read(buf); n == 0 || err != nil {
				return
			}
			answers <- struct{}{}
		}
	}()
	return locked(func() error {
		if _, err := c.Write(request); err != nil {
			return err
		}
		if _, ok := <-answers; !ok {
			return errors.New("the worker is gone")
		}
		return nil
	}), func() { c.Close(); <-done }, nil
}

// polled is a connection in Go's poller, which owns fd unless there is an error.
func polled(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "stream")
	c, err := net.FileConn(f) // has a copy
	if err != nil {
		return nil, err
	}
	return c, f.Close()
}
