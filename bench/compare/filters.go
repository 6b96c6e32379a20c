package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// compareFilters measures what filters that do nothing cost a page: none, one and five of them, registered for PREPROC_HEADERS and LOG,
// in one run. before, if it is not "", is another binary of isapid, which is driven without filters: what a change costs those who have none.
func compareFilters(ctx context.Context, rounds, seconds, connections int, before string, markdown bool) error {
	dir, err := os.MkdirTemp("", "isapid-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"hello", "filter_noop"} {
		if _, err := library(ctx, dir, name); err != nil {
			return err
		}
	}
	bin := filepath.Join(dir, "isapid")
	if err := sh(ctx, "go", "build", "-o", bin, "./cmd/isapid"); err != nil {
		return err
	}
	// On one processor: with more of them a server that is a little slower finds the load generator asleep more often, and pays for
	// waking it, which is more than what is measured.
	runtime.LockOSThread()
	if err := useOneProcessor(); err != nil {
		return fmt.Errorf("use one processor: %w", err)
	}
	var servers []*server
	defer func() { stopAll(servers) }()
	add := func(name, bin string, filters int) error {
		s, err := withFilters(dir, name, bin, filters)
		if s != nil {
			servers = append(servers, s)
		}
		if err != nil {
			return err
		}
		return s.ready()
	}
	for _, n := range []int{0, 1, 5} {
		if err := add(fmt.Sprintf("%d filters", n), bin, n); err != nil {
			return err
		}
	}
	if before != "" {
		if err := add("before, no filters", before, 0); err != nil {
			return err
		}
	}
	return inTurn(ctx, servers, servers[0], "in-process", "none", rounds, seconds, connections, markdown)
}

// inTurn drives servers round by round and prints what each costs, and its ratio to base, which is called so in the head of the table.
func inTurn(ctx context.Context, servers []*server, base *server, mode, called string, rounds, seconds, connections int, markdown bool) error {
	samples := map[string][]sample{}
	for range rounds {
		// Another one first in each round, and each behind another: the one behind an idle second is faster, and what the last one left in
		// the caches counts.
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
	fmt.Printf(head, "server", "CPU µs/req", "CPU/"+called)
	if markdown {
		fmt.Println("|---|---|---|")
	}
	for _, s := range servers {
		mine := samples[s.name]
		fmt.Printf(row, s.name, median(mine, func(x sample) float64 { return x.cpu }), cpuRatio(mine, samples[base.name]))
	}
	return nil
}

// cpuRatio is the median of the ratios of each round.
func cpuRatio(a, b []sample) float64 {
	var v []float64
	for i := range min(len(a), len(b)) {
		v = append(v, a[i].cpu/b[i].cpu)
	}
	return middle(v)
}

// withFilters serves hello.so of dir in-process, behind n copies of filter_noop.so.
func withFilters(dir, name, bin string, n int) (*server, error) {
	s := &server{name: name, addr: freeAddr(), want: page}
	filters := ""
	if n > 0 {
		filters = "\n        filters:"
	}
	library, err := os.ReadFile(filepath.Join(dir, "filter_noop.so"))
	if err != nil {
		return nil, err
	}
	for i := range n {
		file := filepath.Join(dir, fmt.Sprintf("noop%d.so", i+1))
		if err := os.WriteFile(file, library, 0o700); err != nil {
			return nil, err
		}
		filters += "\n          - " + file
	}
	config := fmt.Sprintf(`sites:
  - name: bench
    bindings: ["http://%[1]s"]
    root: %[2]s
    applications:
      - path: /%[3]s
        handlers:
          - path: /hello/*
            extension: %[2]s/hello.so
pools: {default: {mode: in-process, update: {watch: false}}}
control: {socket: ""}
`, s.addr, dir, filters)
	file := filepath.Join(dir, fmt.Sprintf("%s.yaml", name))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return s, s.start(bin, "serve", "-c", file)
}
