// Command compare measures what one small dynamic page costs on this machine, in one run: bare net/http, isapid in-process
// with the same bytes (mounted in a program's own http.Server, and served by isapid), nginx, nginx with FastCGI, and Apache with the
// page in a C module. Servers are driven in turn by wrk, round by round, so that drift of the machine hits all alike; it prints
// the median of the rounds and ratios.
//
//	go run ./bench/compare [-rounds 5] [-seconds 2] [-connections 1,8,32,64] [-markdown]
//	go run ./bench/compare -bulk 1024 [-rounds 5] [-markdown]
//	go run ./bench/compare -filters [-before FILE] [-rounds 5] [-seconds 2] [-markdown]
//	go run ./bench/compare -snoop [-before FILE] [-rounds 5] [-seconds 2] [-markdown]
//	go run ./bench/compare -wine [-rounds 5] [-seconds 2] [-connections 1,32] [-markdown]
//	go run ./bench/compare -floor -connections 1 [-rounds 5] [-seconds 2] [-markdown]
//
// With -bulk it moves so many MiB in one request instead, through isapid in-process and isolated; that needs gcc only. With -filters it
// asks for the page through filters that do nothing: none, one, and five; -before is another build of isapid to measure without. With -floor
// it drives bench/servers/floor, the least that net/http and a second process can cost, beside isapid and nginx with FastCGI; it has one request
// at a time, so that more connections than one only wait for each other. With -wine the same page comes from a DLL in a worker under Wine, too.
//
// CPU per request is user and system time of all processes of a server, from /proc, by the requests wrk counted. Everything
// is on loopback and stops by itself.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 5, "rounds; the median counts")
	seconds := flag.Int("seconds", 2, "seconds of load a server, connection count and round")
	connections := flag.String("connections", "1,8,32,64", "numbers of connections")
	markdown := flag.Bool("markdown", false, "print Markdown tables")
	floor := flag.Bool("floor", false, "compare with the least that a second process costs")
	mib := flag.Int("bulk", 0, "MiB to move in one request, instead of pages")
	filters := flag.Bool("filters", false, "measure filters instead")
	snoop := flag.Bool("snoop", false, "measure what it costs to be looked at instead")
	wine := flag.Bool("wine", false, "compare with a library of Windows under Wine instead")
	before := flag.String("before", "", "with -filters and -snoop: another build of isapid")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *mib > 0 {
		if err := compareBulk(ctx, *rounds, *mib, *markdown); err != nil {
			log.Fatal(err)
		}
		return
	}
	if *filters {
		if err := compareFilters(ctx, *rounds, *seconds, 32, *before, *markdown); err != nil {
			log.Fatal(err)
		}
		return
	}
	if *snoop {
		if err := compareSnoop(ctx, *rounds, *seconds, 32, *before, *markdown); err != nil {
			log.Fatal(err)
		}
		return
	}
	if *wine {
		if err := compareWine(ctx, *rounds, *seconds, *connections, *markdown); err != nil {
			log.Fatal(err)
		}
		return
	}
	servers := []starter{bare, mounted, inProcess, isolated, nginx, nginxFastCGI, apache}
	if *floor {
		servers = append(floors(), inProcess, isolated, nginxFastCGI, bare)
	}
	if err := run(ctx, servers, *rounds, *seconds, *connections, *markdown); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, start []starter, rounds, seconds int, connections string, markdown bool) error {
	if err := tools(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "isapid-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	servers, err := startAll(ctx, dir, start)
	defer stopAll(servers)
	if err != nil {
		return err
	}
	for c := range strings.SplitSeq(connections, ",") {
		n, err := strconv.Atoi(c)
		if err != nil || n < 1 || n > 1000 {
			return fmt.Errorf("connections %q: want numbers from 1 to 1000", connections)
		}
		samples := map[string][]sample{}
		for range rounds {
			for _, s := range servers {
				one, err := s.measure(ctx, n, time.Duration(seconds)*time.Second)
				if err != nil {
					return err
				}
				samples[s.name] = append(samples[s.name], one)
			}
		}
		report(n, servers, samples, markdown)
	}
	if exists(filepath.Join(dir, "floor")) {
		return systemCalls(ctx, dir)
	}
	return nil
}

// tools says what is missing before anything is started.
func tools() error {
	for program, debian := range map[string]string{
		"wrk": "wrk", "nginx": "nginx-light", "apache2": "apache2", "apxs": "apache2-dev", "gcc": "gcc libfcgi-dev",
	} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w; Debian: apt-get install wrk nginx-light apache2 apache2-dev gcc libfcgi-dev (here: %s)", err, debian)
		}
	}
	return nil
}

// report prints one table. Ratios are medians of the ratios of each round, against bare and against nginx + FastCGI.
func report(connections int, servers []*server, samples map[string][]sample, markdown bool) {
	row, head := "%-25s %10.1f %10.0f %10.0f %10.0f %10.2f %10.2f %10.2f\n", "%-25s %10s %10s %10s %10s %10s %10s %10s\n"
	if markdown {
		row, head = "| %s | %.1f | %.0f | %.0f | %.0f | %.2f | %.2f | %.2f |\n", "| %s | %s | %s | %s | %s | %s | %s | %s |\n"
	}
	fmt.Printf("\n%d connections\n\n", connections)
	fmt.Printf(head, "server", "CPU µs/req", "p50 µs", "p99 µs", "req/s", "CPU/bare", "CPU/FCGI", "p50/FCGI")
	if markdown {
		fmt.Println("|---|---|---|---|---|---|---|---|")
	}
	p50 := func(x sample) float64 { return x.p50 }
	for _, s := range servers {
		mine := samples[s.name]
		fmt.Printf(row, s.name, median(mine, func(x sample) float64 { return x.cpu }), median(mine, p50),
			median(mine, func(x sample) float64 { return x.p99 }), median(mine, func(x sample) float64 { return x.rate }),
			ratio(mine, samples["bare net/http"]), ratio(mine, samples["nginx + FastCGI"]), ratioOf(mine, samples["nginx + FastCGI"], p50))
	}
}

func median[T any](all []T, f func(T) float64) float64 {
	var v []float64
	for _, s := range all {
		v = append(v, f(s))
	}
	return middle(v)
}

// ratio is that of the CPU times.
func ratio(a, b []sample) float64 { return ratioOf(a, b, func(x sample) float64 { return x.cpu }) }

func ratioOf(a, b []sample, f func(sample) float64) float64 {
	var v []float64
	for i := range min(len(a), len(b)) {
		v = append(v, f(a[i])/f(b[i]))
	}
	return middle(v)
}

func middle(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	sort.Float64s(v)
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}
