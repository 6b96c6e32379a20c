package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/swap"
)

func newDeployCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deploy IMAGE FILE",
		Short: "Replace an image of a running server by a new version",
		Long: `Replace an image of a running server by the version in FILE, without losing a request. IMAGE is its path, the name of its file, that
without the extension, or SITE/APP: an application with a handler that names it.

Each step is printed as it happens, and in the end the receipt. The new version is loaded and tried before any request gets it; if it
is no good the old one serves on, and the exit code is 8. The command returns when the new version serves; with --wait when the old one
has ended, after the watch window. If the new version was taken back in that, the exit code is 9.

Ctrl-C ends only the waiting.`,
		Example: `  isapid deploy proposal build/proposal.so
  isapid deploy shop/orders proposal-2.1.so --wait && echo done`,
		Args: usageArgs(cobra.ExactArgs(2)),
	}
	c := newSwapCommand(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		file, size, err := openVersion(args[1])
		if err != nil {
			return imageError{err}
		}
		defer file.Close()
		return c.run(cmd.Context(), args[0], func(ctx context.Context, client *admin.Client, image string, step func(swap.Step)) (swap.Receipt, error) {
			return client.Deploy(ctx, image, c.wait, file, size, step)
		})
	}
	return cmd
}

// openVersion opens a file that may be a new version. The caller must close it.
func openVersion(path string) (io.ReadCloser, int64, error) {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, fmt.Errorf("there is no file %q", path)
	case err != nil:
		return nil, 0, fmt.Errorf("%q cannot be read: %w", path, bare(err))
	case st.IsDir():
		return nil, 0, fmt.Errorf("%q is a directory: name the library in it", path)
	case !st.Mode().IsRegular():
		return nil, 0, fmt.Errorf("%q is no regular file", path)
	case st.Size() == 0:
		return nil, 0, fmt.Errorf("%q is empty", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("%q cannot be read: %w", path, bare(err))
	}
	return f, st.Size(), nil
}

// bare is an error without the path, which the sentence around it has.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
