// Command wineexec runs a Windows test binary under Wine, for `go test -exec`:
//
//	go build -o bin/wineexec ./hack/wineexec
//	GOOS=windows CGO_ENABLED=0 go test -exec "$PWD/bin/wineexec" ./internal/native
//
// The binary runs in the folder it is started in, with a Wine prefix of its own, which is gone afterwards with every process in
// it. It finds a server for compilations (package testext/build) in its environment, because there is no compiler under Wine.
//
// The exit code is that of the binary, or 125 if it could not be run. SIGINT, SIGTERM and SIGQUIT end it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/testext/build"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: wineexec PROGRAM.exe [ARGUMENT...]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	code, err := run(ctx, os.Args[1], os.Args[2:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "wineexec: %v\n", err)
		code = 125
	}
	os.Exit(code)
}

func run(ctx context.Context, program string, args []string) (code int, err error) {
	root, err := module()
	if err != nil {
		return 0, err
	}
	arch, err := archOf(program)
	if err != nil {
		return 0, err
	}
	p, err := newPrefix(ctx, arch)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.remove()) }()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	serving, end := context.WithCancel(ctx)
	var served sync.WaitGroup
	served.Go(func() { build.Serve(serving, l, root) })
	defer served.Wait()
	defer end()

	if program, err = filepath.Abs(program); err != nil {
		return 0, err
	}
	cmd, err := p.command(program, args)
	if err != nil {
		return 0, err
	}
	cmd.Env = append(cmd.Env, build.ServerVariable+"="+l.Addr().String())
	return start(ctx, cmd, p)
}

// start runs cmd. Its output comes through pipes of ours: Wine's own processes may hold it longer than the program runs.
func start(ctx context.Context, cmd *exec.Cmd, p *prefix) (code int, err error) {
	var copied sync.WaitGroup
	defer copied.Wait()
	for _, out := range []struct {
		to   *os.File
		from *io.Writer
	}{{os.Stdout, &cmd.Stdout}, {os.Stderr, &cmd.Stderr}} {
		r, w, err := os.Pipe()
		if err != nil {
			return 0, err
		}
		defer w.Close()
		*out.from = w
		copied.Go(func() {
			_, _ = io.Copy(out.to, r)
			r.Close()
		})
	}
	if err := proc.WithoutChance(cmd.Start); err != nil {
		return 0, err
	}
	cmd.Stdout.(*os.File).Close()
	cmd.Stderr.(*os.File).Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		p.kill()
		<-ended
		err = errors.New("ended by a signal")
	}
	p.kill() // what it left behind, which may hold our pipes
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// module is the folder with go.mod, at or above the working folder.
func module() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod at or above the working folder")
		}
		dir = filepath.Dir(dir)
	}
}
