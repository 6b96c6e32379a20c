package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// sample is one server under one load: CPU and latency in µs a request, requests a second.
type sample struct{ cpu, p50, p99, rate float64 }

var (
	requestsRE = regexp.MustCompile(`(\d+) requests in ([\d.]+)(\w+)`)
	p50RE      = regexp.MustCompile(`50%\s+([\d.]+)(us|ms|s)`)
	p99RE      = regexp.MustCompile(`99%\s+([\d.]+)(us|ms|s)`)
	failedRE   = regexp.MustCompile(`Non-2xx|Socket errors`)
)

func (s *server) measure(ctx context.Context, connections int, d time.Duration) (sample, error) {
	before, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	out, err := exec.CommandContext(ctx, "wrk", "-t1", "-c"+strconv.Itoa(connections), "-d"+d.String(), "--latency", "http://"+s.addr+"/hello").CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("wrk against %s: %w\n%s", s.name, err, out)
	}
	if failedRE.Match(out) {
		return sample{}, fmt.Errorf("%s failed requests:\n%s", s.name, out)
	}
	after, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	m := requestsRE.FindSubmatch(out)
	if m == nil {
		return sample{}, fmt.Errorf("wrk said nothing of requests:\n%s", out)
	}
	n, _ := strconv.ParseFloat(string(m[1]), 64)
	took, _ := time.ParseDuration(string(m[2]) + string(m[3]))
	return sample{cpu: float64((after - before).Microseconds()) / n, rate: n / took.Seconds(),
		p50: micros(p50RE.FindSubmatch(out)), p99: micros(p99RE.FindSubmatch(out))}, nil
}

func micros(m [][]byte) float64 {
	if m == nil {
		return 0
	}
	d, _ := time.ParseDuration(string(m[1]) + string(m[2]))
	return float64(d.Nanoseconds()) / 1000
}

// cpu is the processor time of the server's processes, all below them and those of its prefix so far.
func (s *server) cpu() (total time.Duration, err error) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	children := map[int][]int{}
	ticks := map[int]int64{}
	var ofPrefix []int // and nobody's children
	for _, f := range stats {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // gone meanwhile
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		ppid, _ := strconv.Atoi(fields[1])
		user, _ := strconv.ParseInt(fields[11], 10, 64)
		system, _ := strconv.ParseInt(fields[12], 10, 64)
		if children[ppid] = append(children[ppid], pid); ppid == 1 && s.ofPrefix(strconv.Itoa(pid)) {
			ofPrefix = append(ofPrefix, pid)
		}
		ticks[pid] = user + system
	}
	var sum int64
	var add func(pid int)
	add = func(pid int) {
		sum += ticks[pid]
		for _, c := range children[pid] {
			add(c)
		}
	}
	for _, c := range s.cmds {
		if _, ok := ticks[c.Process.Pid]; !ok {
			return 0, fmt.Errorf("%s is not running any more", s.name)
		}
		add(c.Process.Pid)
	}
	for _, pid := range ofPrefix {
		add(pid)
	}
	const hertz = 100 // USER_HZ of every Linux system Go runs on
	return time.Duration(sum) * time.Second / hertz, nil
}
