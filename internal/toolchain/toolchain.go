// Package toolchain compiles the source of an extension into a shared library with the compiler the machine has: C, C++
// and Free Pascal, against our SDK. One source file is one library; what else it needs is said in [Options].
//
// Environment: CC, CXX and FPC name other compilers, with arguments if need be ("ccache gcc"); they do not count when the
// library is for another system than this one.
package toolchain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/isapid/isapid/sdk"
)

// Options is what a compilation may be told. The zero value is fine.
type Options struct {
	Target   string    // "windows/amd64" or "windows/386": a DLL, by MinGW-w64; "" is the system this runs on
	Compiler string    // instead of the environment's and the usual ones; may carry arguments
	Flags    []string  // added behind ours, in front of the source; libraries (-lNAME) behind it
	Sources  []string  // further sources and objects of the same library
	SDK      string    // folder with c, cpp and pascal; default: the SDK in this binary
	Warnings io.Writer // what the compiler said when it succeeded; nil: dropped
}

// Compile makes a library of source and answers its path: outDir, which is made private (0700) if it does not exist,
// with the name of the source and the ending ".so", or ".dll" for Windows. A library that is there is replaced in one step, never overwritten.
//
// Warnings do not fail. An error is a [*CompileError] when the compiler refused the source, a [*MissingError] when there
// is no compiler. When ctx ends, the compiler and its children are killed.
func Compile(ctx context.Context, source, outDir string, o Options) (lib string, err error) {
	lang, err := languageOf(source)
	if err != nil {
		return "", err
	}
	if source, err = filepath.Abs(source); err != nil {
		return "", err
	}
	if outDir, err = filepath.Abs(outDir); err != nil {
		return "", err
	}
	if _, err := os.Stat(source); err != nil {
		return "", fmt.Errorf("compile %q: %w", source, err)
	}
	if err := os.MkdirAll(outDir, 0o700); err != nil {
		return "", fmt.Errorf("make the output folder: %w", err)
	}
	work, err := os.MkdirTemp(outDir, ".build-")
	if err != nil {
		return "", fmt.Errorf("make a build folder: %w", err)
	}
	defer os.RemoveAll(work)
	if o.SDK == "" {
		o.SDK = filepath.Join(work, "sdk")
		if err := sdk.Extract(o.SDK); err != nil {
			return "", err
		}
	}

	to, err := targetOf(o.Target)
	if err != nil {
		return "", err
	}
	name := strings.TrimSuffix(filepath.Base(source), filepath.Ext(source)) + to.ending()
	if err := lang.build(ctx, source, filepath.Join(work, name), o); err != nil {
		return "", err
	}
	lib = filepath.Join(outDir, name)
	if err := os.Rename(filepath.Join(work, name), lib); err != nil {
		return "", fmt.Errorf("store the library: %w", err)
	}
	return lib, nil
}

// Command is the command Compile would run, with the source, output and SDK under relative names: two equal commands do the
// same with the same files. Its error is a [*MissingError] when there is no compiler.
func Command(ctx context.Context, source string, o Options) ([]string, error) {
	lang, err := languageOf(source)
	if err != nil {
		return nil, err
	}
	o.SDK = "sdk"
	return lang.command(ctx, filepath.Base(source), "out.lib", o)
}

// build runs the compiler, which writes lib.
func (l *language) build(ctx context.Context, source, lib string, o Options) error {
	args, err := l.command(ctx, source, lib, o)
	if err != nil {
		return err
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = filepath.Dir(source)
	cmd.Stdout, cmd.Stderr = &said, &said
	killGroup(cmd)
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("compile %q: %w", source, ctx.Err())
	case errors.As(err, &exit):
		return &CompileError{Source: source, Command: args, Output: said.String()}
	case err != nil:
		return fmt.Errorf("compile %q: %w", source, err)
	}
	if o.Warnings != nil {
		_, err = o.Warnings.Write(said.Bytes())
	}
	return err
}
