package main

import (
	"context"
	"debug/pe"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/testext/build"
	"github.com/isapid/isapid/internal/wine"
)

// prefix is a Wine prefix for one program.
type prefix struct {
	wine *wine.Wine
	arch string
	dir  string
}

// newPrefix copies the prefix that all test binaries for arch share, and starts its Wine.
func newPrefix(ctx context.Context, arch string) (*prefix, error) {
	w, err := wine.Find()
	if err != nil {
		return nil, err
	}
	cache, err := build.Cache()
	if err != nil {
		return nil, err
	}
	template := filepath.Join(cache, "wine-"+arch)
	say := func(what string) { fmt.Fprintln(os.Stderr, "wineexec:", what) }
	if err := w.Prepare(ctx, template, []string{arch}, say); err != nil {
		return nil, err
	}
	p := &prefix{wine: w, arch: arch}
	if p.dir, err = os.MkdirTemp("", "isapid-wine-"); err != nil {
		return nil, err
	}
	if err := build.ClonePrefix(template, p.dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	if err := p.warm(ctx); err != nil {
		return nil, errors.Join(err, p.remove())
	}
	return p, nil
}

// warm starts Wine's server and services with nothing of ours open, so that they hold no output of the program.
func (p *prefix) warm(ctx context.Context) error {
	for _, args := range [][]string{{p.wine.Server, "-p"}, {p.wine.Path, "wineboot"}} {
		_, env, err := p.wine.Program(p.dir, p.arch, args[0])
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = append(os.Environ(), env...)
		if err := proc.WithoutChance(cmd.Run); err != nil {
			return fmt.Errorf("start Wine: %s: %w", strings.Join(args, " "), err)
		}
	}
	return nil
}

func (p *prefix) command(program string, args []string) (*exec.Cmd, error) {
	command, env, err := p.wine.Program(p.dir, p.arch, program)
	if err != nil {
		return nil, err
	}
	command = append(command, args...)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	return cmd, nil
}

// kill ends every process of the prefix, the server too, and waits until they are gone.
func (p *prefix) kill() {
	for _, flag := range []string{"-k", "-w"} {
		cmd := exec.Command(p.wine.Server, flag)
		cmd.Env = append(os.Environ(), "WINEPREFIX="+p.dir)
		_ = cmd.Run() // fails if there is no server any more
	}
}

func (p *prefix) remove() error {
	p.kill()
	return os.RemoveAll(p.dir)
}

// archOf is the machine a program is for.
func archOf(program string) (string, error) {
	f, err := pe.Open(program)
	if err != nil {
		return "", fmt.Errorf("%s is no Windows program: %w", program, err)
	}
	defer f.Close()
	switch f.Machine {
	case pe.IMAGE_FILE_MACHINE_AMD64:
		return "amd64", nil
	case pe.IMAGE_FILE_MACHINE_I386:
		return "386", nil
	}
	return "", fmt.Errorf("%s is for machine %#x, which Wine here cannot run", program, f.Machine)
}
