package main

import (
	"context"
	"debug/pe"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/isapid/isapid/internal/testext/build"
)

// The programs of Debian's Wine, and of others.
var folders = []string{"/usr/lib/wine", "/usr/bin", "/usr/local/bin", "/opt/wine-stable/bin"}

// prefix is a Wine prefix for one program.
type prefix struct {
	dir    string
	loader string
	server string
}

// newPrefix copies the template that all test binaries share.
func newPrefix(ctx context.Context, arch string) (*prefix, error) {
	p := &prefix{}
	loaders := []string{"wine64"}
	if arch == "386" {
		loaders = []string{"wine"}
	}
	var err error
	if p.loader, err = find(loaders...); err != nil {
		return nil, err
	}
	if p.server, err = find("wineserver64", "wineserver"); err != nil {
		return nil, err
	}
	template, err := prepared(ctx)
	if err != nil {
		return nil, err
	}
	if p.dir, err = os.MkdirTemp("", "isapid-wine-"); err != nil {
		return nil, err
	}
	if err := clone(template, p.dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	return p, p.warm(ctx)
}

// prepared answers the folder of the template.
func prepared(context.Context) (string, error) {
	cache, err := build.Cache()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "wine")
	if _, err := os.Stat(filepath.Join(dir, "system.reg")); err != nil {
		return "", fmt.Errorf("there is no prefix yet: %w", err)
	}
	return dir, nil
}

// clone copies a prefix whose Wine does not run. The files of Windows itself, which are large and do not change, become links.
func clone(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case rel == ".":
			return nil
		case e.IsDir():
			return os.Mkdir(target, 0o700)
		case e.Type() == fs.ModeSymlink:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		case strings.HasPrefix(rel, "drive_c/windows/"):
			return os.Symlink(path, target)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o600)
	})
}

// warm starts Wine's server and services with nothing of ours open, so that they hold no output of the program.
func (p *prefix) warm(ctx context.Context) error {
	for _, args := range [][]string{{p.server, "-p"}, {p.loader, "wineboot"}} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = p.env()
		if err := cmd.Run(); err != nil {
			return errors.Join(fmt.Errorf("start Wine: %s: %w", strings.Join(args, " "), err), p.remove())
		}
	}
	return nil
}

func (p *prefix) env() []string {
	return append(os.Environ(), "WINEPREFIX="+p.dir, "WINEARCH=win64", "WINEDEBUG=-all", "WINEDLLOVERRIDES=mscoree=;mshtml=;winemenubuilder.exe=")
}

func (p *prefix) command(program string, args []string) (*exec.Cmd, error) {
	cmd := exec.Command(p.loader, append([]string{program}, args...)...)
	cmd.Env = p.env()
	return cmd, nil
}

// kill ends every process of the prefix, the server too, and waits until they are gone.
func (p *prefix) kill() {
	for _, flag := range []string{"-k", "-w"} {
		cmd := exec.Command(p.server, flag)
		cmd.Env = p.env()
		_ = cmd.Run() // fails if there is no server any more
	}
}

func (p *prefix) remove() error {
	p.kill()
	return os.RemoveAll(p.dir)
}

func find(names ...string) (string, error) {
	for _, folder := range folders {
		for _, name := range names {
			path := filepath.Join(folder, name)
			if _, err := os.Stat(path); err == nil {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("no %s found; install Wine (Debian: apt install wine64)", strings.Join(names, " or "))
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
