package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// compareSnoop measures what it costs the server that somebody looks at the calls of an image, or might: nobody ever has, somebody to
// whom no request fits, somebody who reads everything, and isapid snoop, which shows everything and competes for the processor. before, if it is not "", is
// another binary of isapid, which cannot be looked at. Only the server's processes count.
func compareSnoop(ctx context.Context, rounds, seconds, connections int, before string, markdown bool) error {
	runtime.LockOSThread()
	if err := useOneProcessor(); err != nil { // see compareFilters
		return fmt.Errorf("use one processor: %w", err)
	}
	dir, err := os.MkdirTemp("", "isapid-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, err := library(ctx, dir, "hello"); err != nil {
		return err
	}
	bin := filepath.Join(dir, "isapid")
	if err := sh(ctx, "go", "build", "-o", bin, "./cmd/isapid"); err != nil {
		return err
	}
	for _, mode := range []string{"in-process", "isolated"} {
		if err := snoopIn(ctx, dir, mode, bin, before, rounds, seconds, connections, markdown); err != nil {
			return err
		}
	}
	return nil
}

func snoopIn(ctx context.Context, dir, mode, bin, before string, rounds, seconds, connections int, markdown bool) error {
	var servers []*server
	defer func() { stopAll(servers) }()
	add := func(name, bin string) (*server, error) {
		s, err := withSocket(dir, mode, name, bin)
		if s != nil {
			servers = append(servers, s)
		}
		if err != nil {
			return nil, err
		}
		return s, s.ready()
	}
	if _, err := add("never attached", bin); err != nil {
		return err
	}
	for _, look := range []struct {
		name   string
		attach func(*server) (end func(), err error)
	}{
		{"attached, nothing fits", func(s *server) (func(), error) { return read(ctx, s, `{"url":"/elsewhere"}`) }},
		{"attached, everything", func(s *server) (func(), error) { return read(ctx, s, `{}`) }},
		{"isapid snoop", func(s *server) (func(), error) { return snoop(ctx, s, bin) }},
	} {
		s, err := add(look.name, bin)
		if err != nil {
			return err
		}
		end, err := look.attach(s)
		if err != nil {
			return err
		}
		defer end()
	}
	if before != "" {
		if _, err := add("before", before); err != nil {
			return err
		}
	}
	return inTurn(ctx, servers, servers[0], mode, "never", rounds, seconds, connections, markdown)
}

// withSocket serves hello.so of dir, with a control socket.
func withSocket(dir, mode, name, bin string) (*server, error) {
	s := &server{name: name, addr: freeAddr(), want: page}
	file := filepath.Join(dir, mode+" "+name+".yaml")
	config := fmt.Sprintf(`sites:
  - name: bench
    bindings: ["http://%[1]s"]
    root: %[2]s
    applications:
      - path: /
        handlers:
          - path: /hello/*
            extension: %[2]s/hello.so
pools: {default: {mode: %[3]s, update: {watch: false}}}
control: {socket: %[4]q}
`, s.addr, dir, mode, file+".sock")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	s.socket = file + ".sock"
	return s, s.start(bin, "serve", "-c", file)
}

// lines counts what is written to it.
type lines struct{ n atomic.Int64 }

func (l *lines) Write(p []byte) (int, error) {
	l.n.Add(int64(bytes.Count(p, []byte{'\n'})))
	return len(p), nil
}

// read listens to the calls that fit a filter, and throws away what it hears.
func read(ctx context.Context, s *server, filter string) (end func(), err error) {
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", s.socket)
	}}}
	ctx, cancel := context.WithCancel(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://isapid/v1/snoop", strings.NewReader(filter))
	if err != nil {
		cancel()
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		cancel()
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(res.Body)
		cancel()
		return nil, fmt.Errorf("look at %s: %s: %s", s.name, res.Status, why)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.CopyBuffer(io.Discard, struct{ io.Reader }{res.Body}, make([]byte, 256<<10))
		res.Body.Close()
	}()
	return func() { cancel(); <-done }, nil
}

// snoop starts the command, and waits until it shows something.
func snoop(ctx context.Context, s *server, bin string) (end func(), err error) {
	var seen lines
	c := exec.CommandContext(ctx, bin, "snoop", "--socket", s.socket)
	c.Stdout, c.Stderr = &seen, os.Stderr
	if err := c.Start(); err != nil {
		return nil, err
	}
	end = func() {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait()
	}
	for range 250 {
		if err := s.ready(); err != nil {
			end()
			return nil, err
		}
		if time.Sleep(20 * time.Millisecond); seen.n.Load() > 0 {
			return end, nil
		}
	}
	end()
	return nil, errors.New("snoop shows nothing")
}
