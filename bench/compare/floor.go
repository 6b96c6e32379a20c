package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// floors are the servers of bench/servers/floor, by how their two processes wait for each other.
func floors() (all []starter) {
	for _, f := range []struct{ name, front, worker string }{
		{"floor: no worker", "none", "block"},
		{"floor: reading goroutines", "two", "two"},
		{"floor: poller", "poll", "poll"},
		{"floor: blocking, poller", "block", "poll"},
		{"floor: blocking", "block", "block"},
		{"floor: blocking, in C", "block", "c"},
	} {
		all = append(all, func(ctx context.Context, dir string) (*server, error) {
			s := &server{name: f.name, addr: freeAddr(), want: page}
			bin, worker := filepath.Join(dir, "floor"), f.worker
			if err := sh(ctx, "go", "build", "-o", bin, "./bench/servers/floor"); err != nil {
				return nil, err
			}
			if worker == "c" {
				worker = filepath.Join(dir, "worker")
				if err := sh(ctx, "gcc", "-O2", "-o", worker, "bench/servers/floor/worker/worker.c"); err != nil {
					return nil, err
				}
			}
			return s, s.start(bin, "serve", f.front, worker, s.addr)
		})
	}
	return all
}

// systemCalls prints what the system calls of a request to a second process take by themselves.
func systemCalls(ctx context.Context, dir string) error {
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "floor"), "calls").Output()
	if err == nil {
		fmt.Printf("\nOne thread that waits for nobody needs %s", out)
	}
	return err
}
