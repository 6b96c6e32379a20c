package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/obituary"
)

func newCrashesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "crashes [ID]",
		Short: "List what workers died of, or show one of it",
		Long: `List the deaths of workers and the contained faults that a server keeps on file, the last one first; or show all that is known of one: signal,
image, offset and symbol of the fault, the native stack, the request in hand and those that were inside, the last calls of each thread, memory,
the last lines of output and log, and what was done about it.

A running server is asked. If there is none, the files are read: from the folder that its configuration says, or that of --directory.`,
		Example: `  isapid crashes
  isapid crashes 2026-11-21T18-48-24.123-legacy-3
  isapid crashes --directory /var/lib/isapid/crashes --json`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
	}
	c := newControl(cmd)
	var directory string
	var last uint16
	var asJSON bool
	cmd.Flags().StringVar(&directory, "directory", "", "read the files in this `folder`, and ask no server")
	cmd.Flags().Uint16VarP(&last, "number", "n", 20, "list so `many`; 0: all that are kept")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		from, err := c.graves(cmd.Context(), directory)
		if err != nil {
			return err
		}
		defer from.close()
		if len(args) == 1 {
			return showCrash(cmd.Context(), from, args[0], asJSON, cmd.OutOrStdout())
		}
		return listCrashes(cmd.Context(), from, int(last), asJSON, cmd.OutOrStdout())
	}
	return cmd
}

// graves is where obituaries are read: a server, or a folder.
type graves struct {
	client    *admin.Client // nil: the folder
	directory string
	all       []admin.Crash // of the server, the newest first
}

func (g *graves) close() {
	if g.client != nil {
		g.client.Close()
	}
}

// graves finds them. The caller must close what it returns.
func (c *control) graves(ctx context.Context, directory string) (*graves, error) {
	if directory != "" {
		if c.socket != "" || c.url != "" || c.config != "" {
			return nil, usageError{errors.New("--directory names the files already: leave the server away")}
		}
		return &graves{directory: directory}, nil
	}
	client, err := c.client()
	if err == nil {
		g := &graves{client: client}
		if g.all, err = client.Crashes(ctx); err == nil {
			return g, nil
		}
		client.Close()
	}
	if c.socket != "" || c.url != "" || !isA[*admin.NoServerError](err) && !isA[configError](err) {
		return nil, err
	}
	if directory, why := c.crashDirectory(); why != nil {
		return nil, errors.Join(err, why)
	} else if directory != "" {
		return &graves{directory: directory}, nil
	}
	return nil, errors.Join(err, errors.New("its configuration names no folder for crashes, either: say --directory"))
}

// crashDirectory is the folder that the configuration means.
func (c *control) crashDirectory() (string, error) {
	cfg, err := config.Load(cmp.Or(c.config, "isapid.yaml"))
	switch {
	case err == nil:
		return cfg.CrashDirectory(), nil
	case c.config == "" && errors.Is(err, fs.ErrNotExist):
		cfg = config.Default()
		cfg.Control.Socket = config.DefaultControlSocket()
		return cfg.CrashDirectory(), nil
	}
	return "", configError{err}
}

// list has the newest first.
func (g *graves) list() ([]admin.Crash, error) {
	if g.client != nil {
		return g.all, nil
	}
	found, err := obituary.List(g.directory)
	if err != nil {
		return nil, err
	}
	list := []admin.Crash{}
	for i := range found {
		s := &found[i]
		list = append(list, admin.Crash{ID: s.ID, At: s.At, Pool: s.Pool, Image: s.Image, Text: s.Text()})
	}
	slices.Reverse(list)
	return list, nil
}

// one reads an obituary, and its text as it was written.
func (g *graves) one(ctx context.Context, id string) (*obituary.Report, error) {
	if g.client == nil {
		r, err := obituary.Read(g.directory, id)
		if isA[*obituary.NotFoundError](err) {
			return nil, noCrash(id)
		}
		return r, err
	}
	text, err := g.client.Crash(ctx, id)
	if e, ok := errors.AsType[*admin.Error](err); ok && e.Code == http.StatusNotFound {
		return nil, noCrash(id)
	}
	if err != nil {
		return nil, err
	}
	r := &obituary.Report{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	return r, nil
}

func noCrash(id string) error {
	return fmt.Errorf("there is no obituary %q: \"isapid crashes\" lists them", id)
}

func listCrashes(_ context.Context, from *graves, last int, asJSON bool, out io.Writer) error {
	list, err := from.list()
	if err != nil {
		return err
	}
	if last > 0 && len(list) > last {
		list = list[:last]
	}
	if asJSON {
		printJSON(out, admin.CrashesResult{Crashes: list})
		return nil
	}
	if len(list) == 0 {
		fmt.Fprintln(out, "no death of a worker and no fault is on file")
		return nil
	}
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tPOOL\tIMAGE\tWHAT")
	for i := range list {
		c := &list[i]
		name := "-"
		if c.Image != "" {
			name = filepath.Base(c.Image)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", harmless(c.ID), harmless(cmp.Or(c.Pool, "-")), harmless(name), harmless(c.Text))
	}
	return t.Flush()
}

func showCrash(ctx context.Context, from *graves, id string, asJSON bool, out io.Writer) error {
	r, err := from.one(ctx, id)
	if err != nil {
		return err
	}
	if asJSON {
		printJSON(out, r)
		return nil
	}
	return r.Print(out)
}
