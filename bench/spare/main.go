//go:build linux

// Command spare measures how long requests wait when a worker dies: it kills the one that serves, again and again, and takes the time from then to
// the next answer.
//
//	go run ./bench/spare -isapid bin/isapid -n 50 counter.dll
//	go run ./bench/spare -isapid bin/isapid -n 50 -spare 0 counter.dll
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	program := flag.String("isapid", "bin/isapid", "the `program`")
	n := flag.Int("n", 30, "workers to kill")
	spare := flag.Int("spare", 1, "processes kept ready")
	addr := flag.String("addr", "127.0.0.1:18099", "`address` to serve on")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("name one image")
	}
	if err := run(*program, flag.Arg(0), *addr, *n, *spare); err != nil {
		log.Fatal(err)
	}
}

func run(program, image, addr string, n, spare int) (err error) {
	dir, err := os.MkdirTemp("", "isapid-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if image, err = filepath.Abs(image); err != nil {
		return err
	}
	conf := filepath.Join(dir, "isapid.yaml")
	text := fmt.Sprintf("sites:\n  - name: bench\n    root: .\n    bindings: [\"http://%s\"]\n    applications: [{path: /, handlers: [{path: \"*\", extension: %q}]}]\n"+
		"pools: {default: {spare: %d, crashes: {max: 0}}}\ncontrol: {socket: ./control.sock}\ncrashes: {keep: 0}\nlog: {level: error}\n", addr, image, spare)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	server := exec.Command(program, "serve", "-c", conf)
	server.Stdout = io.Discard
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, server.Process.Signal(syscall.SIGTERM))
		_ = server.Wait()
	}()
	b := bench{program: program, conf: conf, url: "http://" + addr + "/", spare: spare}
	var times []time.Duration
	for range n {
		pid, err := b.settled()
		if err != nil {
			return err
		}
		took, err := b.kill(pid)
		if err != nil {
			return err
		}
		times = append(times, took)
	}
	slices.Sort(times)
	fmt.Printf("%s, spare %d: worker killed %d times; to the next answer: median %v, 95 %% %v, worst %v\n", filepath.Base(image), spare, n,
		times[n/2].Round(time.Millisecond), times[n*95/100].Round(time.Millisecond), times[n-1].Round(time.Millisecond))
	return nil
}

type bench struct {
	program, conf, url string
	spare              int
}

// settled waits until a worker serves and all spares are there, and answers the worker's process.
func (b *bench) settled() (pid int, err error) {
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		out, failed := exec.Command(b.program, "status", "-c", b.conf, "--json").Output()
		var st struct {
			Pools []struct {
				Workers []struct {
					Pid   int    `json:"pid"`
					State string `json:"state"`
				} `json:"workers"`
			} `json:"pools"`
		}
		if failed != nil || json.Unmarshal(out, &st) != nil || len(st.Pools) == 0 {
			continue // it has just been started
		}
		pid, spares := 0, 0
		for _, w := range st.Pools[0].Workers {
			switch w.State {
			case "ready":
				pid = w.Pid
			case "spare":
				spares++
			}
		}
		if pid != 0 && spares == b.spare {
			return pid, b.ask()
		}
	}
	return 0, errors.New("no worker serves, or a spare is missing")
}

// kill ends the worker and takes the time to the next answer.
func (b *bench) kill(pid int) (time.Duration, error) {
	begun := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return 0, err
	}
	err := b.ask()
	return time.Since(begun), err
}

func (b *bench) ask() error {
	res, err := http.Get(b.url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("answered %d: %s", res.StatusCode, strings.TrimSpace(string(text[:min(len(text), 200)])))
	}
	return err
}
