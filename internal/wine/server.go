package wine

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
)

// run runs a program of Wine's in a prefix to its end. It must end when ctx does. The error says what the program said last.
func (w *Wine) run(ctx context.Context, prefix string, command ...string) error {
	// A file and not a pipe: what the program has started, which goes on, has it open, too.
	said, err := os.CreateTemp("", "isapid-wine-*")
	if err != nil {
		return err
	}
	defer said.Close()
	if err := os.Remove(said.Name()); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = prefix
	cmd.Env = append(os.Environ(), w.environment(prefix)...)
	cmd.Env = append(cmd.Env, "WINEARCH=win64", "WINEDLLOVERRIDES=mscoree=;mshtml=;winemenubuilder.exe=")
	cmd.Stdout, cmd.Stderr = said, said
	if err := runAlone(cmd); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%s: %w%s", strings.Join(append([]string{filepath.Base(command[0])}, command[1:]...), " "), err, lastLines(said))
	}
	return nil
}

// lastLines is the end of what a program said, for an error.
func lastLines(f io.ReaderAt) string {
	const most = 2000
	buf := make([]byte, 64<<10)
	n, _ := f.ReadAt(buf, 0)
	text := bytes.TrimSpace(buf[:n])
	if len(text) == 0 {
		return ""
	}
	return "; it said: " + string(text[max(0, len(text)-most):])
}

// stop ends the server of a prefix, which writes the registry, and with it all programs that run there, also those whose server was killed before. No
// server is no error.
func (w *Wine) stop(prefix string) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := w.serverCommand(ctx, prefix, "-k"); err != nil && !isExit(err) {
		return err
	}
	err := w.Wait(ctx, prefix)
	killAll(prefix)
	return err
}

// Wait waits until no server runs for the prefix.
func (w *Wine) Wait(ctx context.Context, prefix string) error {
	if err := w.serverCommand(ctx, prefix, "-w"); err != nil {
		return fmt.Errorf("wait for the end of the wineserver: %w", err)
	}
	return nil
}

// serverCommand runs wineserver with one option. It has nothing of ours open, since a server that it starts stays.
func (w *Wine) serverCommand(ctx context.Context, prefix, option string) error {
	cmd := exec.CommandContext(ctx, w.Server, option)
	cmd.Env = append(os.Environ(), w.environment(prefix)...)
	if err := runAlone(cmd); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	return nil
}

// isExit tells whether a program ran and ended with an exit code other than 0: wineserver -k if there is none, wineserver -p if there is one.
func isExit(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	return ok && exit.ExitCode() > 0
}
