package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// bulk is one large transfer: bytes a second, and seconds of the server's CPU.
type bulk struct{ rate, cpu float64 }

// compareBulk moves mib MiB through isapid in-process and isolated, in turn round by round, and prints the speed of both, the CPU
// time of their processes, and the median of the ratios of each round. The client is one connection that throws away what it gets.
func compareBulk(ctx context.Context, rounds, mib int, markdown bool) error {
	dir, err := os.MkdirTemp("", "isapid-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	size := int64(mib) << 20
	file := filepath.Join(dir, "file")
	if err := makeFile(file, size); err != nil {
		return err
	}
	if _, err := library(ctx, dir, "bulk"); err != nil {
		return err
	}
	var servers []*server
	defer func() { stopAll(servers) }()
	for _, mode := range []string{"in-process", "isolated"} {
		s, err := isapid(ctx, dir, mode)
		if err != nil {
			return err
		}
		servers = append(servers, s)
		if err := s.ready(); err != nil {
			return err
		}
	}
	row, head := "%-27s %17.0f %15.0f %17.2f %15.2f %8.2f\n", "%-27s %17s %15s %17s %15s %8s\n"
	if markdown {
		row, head = "| %s | %.0f | %.0f | %.2f | %.2f | %.2f |\n", "| %s | %s | %s | %s | %s | %s |\n"
	}
	fmt.Printf(head, fmt.Sprintf("%d MiB by", mib), "in-process, MiB/s", "isolated, MiB/s", "in-process, s/GiB", "isolated, s/GiB", "speed")
	if markdown {
		fmt.Println("|---|---|---|---|---|---|")
	}
	for _, t := range []struct {
		name, query string // what testdata/ext/bulk.c does
		up          bool   // the bytes go to the server
	}{
		{"ReadClient, 64 KiB a call", "up", true},
		{"WriteClient, 64 KiB a call", fmt.Sprintf("down=%d", size), false},
		{"WriteClient, all at once", fmt.Sprintf("once=%d", size), false},
		{"TRANSMIT_FILE", "file=" + file, false},
	} {
		var all [2][]bulk
		var ratios []float64
		for range rounds {
			for i, s := range servers {
				b, err := s.bulk(ctx, t.query, size, t.up)
				if err != nil {
					return err
				}
				all[i] = append(all[i], b)
			}
			ratios = append(ratios, all[1][len(all[1])-1].rate/all[0][len(all[0])-1].rate)
		}
		rate, cpu := func(b bulk) float64 { return b.rate }, func(b bulk) float64 { return b.cpu }
		fmt.Printf(row, t.name, median(all[0], rate)/(1<<20), median(all[1], rate)/(1<<20), median(all[0], cpu)/float64(mib)*1024,
			median(all[1], cpu)/float64(mib)*1024, middle(ratios))
	}
	return nil
}

// makeFile makes a file of zeros without holes.
func makeFile(name string, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for ; size > 0; size -= int64(len(block)) {
		if _, err := f.Write(block[:min(size, int64(len(block)))]); err != nil {
			return err
		}
	}
	return f.Close()
}

// bulk moves size bytes in one request.
func (s *server) bulk(ctx context.Context, query string, size int64, up bool) (b bulk, err error) {
	before, err := s.cpu()
	if err != nil {
		return b, err
	}
	started := time.Now()
	if err := s.transfer(ctx, query, size, up); err != nil {
		return b, fmt.Errorf("%s, %s: %w", s.name, query, err)
	}
	b.rate = float64(size) / time.Since(started).Seconds()
	after, err := s.cpu()
	b.cpu = (after - before).Seconds()
	return b, err
}

func (s *server) transfer(ctx context.Context, query string, size int64, up bool) error {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Minute))
	left, want := int64(0), size
	if up {
		left, want = size, int64(len(fmt.Sprint(size)))
	}
	if _, err := fmt.Fprintf(c, "POST /bulk?%s HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", query, left); err != nil {
		return err
	}
	block := make([]byte, 256<<10)
	for ; left > 0; left -= int64(len(block)) {
		if _, err := c.Write(block[:min(left, int64(len(block)))]); err != nil {
			return err
		}
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(c, len(block)), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	got, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, block)
	if err == nil && (got != want || res.StatusCode != http.StatusOK) {
		err = fmt.Errorf("%s with %d bytes, want %d", res.Status, got, want)
	}
	return err
}
