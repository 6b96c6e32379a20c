package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"
)

// compareSnoop measures what it costs the server that somebody looks at the calls of an image, or might: nobody ever has, a snoop that
// no request fits, one that shows everything. before, if it is not "", is another binary of isapid, which cannot be looked at. Only the server's processes count,
// not the snoop's.
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
	for _, snoop := range []struct {
		name string
		args []string
		sees bool
	}{{"attached, nothing fits", []string{"--url", "/elsewhere"}, false}, {"attached, everything", nil, true}} {
		s, err := add(snoop.name, bin)
		if err != nil {
			return err
		}
		end, err := attach(ctx, s, bin, snoop.args, snoop.sees)
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
	samples := map[string][]sample{}
	for range rounds {
		for _, j := range rand.Perm(len(servers)) {
			s := servers[j]
			got, err := s.measure(ctx, connections, time.Duration(seconds)*time.Second)
			if err != nil {
				return err
			}
			samples[s.name] = append(samples[s.name], got)
		}
	}
	row, head := "%-24s %10.2f %10.3f\n", "%-24s %10s %10s\n"
	if markdown {
		row, head = "| %s | %.2f | %.3f |\n", "| %s | %s | %s |\n"
	}
	fmt.Printf("\n%d connections, %s, %d rounds\n\n", connections, mode, rounds)
	fmt.Printf(head, "server", "CPU µs/req", "CPU/never")
	if markdown {
		fmt.Println("|---|---|---|")
	}
	for _, s := range servers {
		mine := samples[s.name]
		fmt.Printf(row, s.name, median(mine, func(x sample) float64 { return x.cpu }), cpuRatio(mine, samples["never attached"]))
	}
	return nil
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

// attach starts a snoop, and waits until it sees something if it is to.
func attach(ctx context.Context, s *server, bin string, args []string, sees bool) (end func(), err error) {
	var seen lines
	c := exec.CommandContext(ctx, bin, append([]string{"snoop", "--socket", s.socket}, args...)...)
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
		if time.Sleep(20 * time.Millisecond); sees && seen.n.Load() > 0 {
			return end, nil
		}
	}
	if sees {
		end()
		return nil, errors.New("snoop shows nothing")
	}
	return end, nil
}
