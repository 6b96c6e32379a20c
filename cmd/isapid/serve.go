package main

import (
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/front"
)

type serveOptions struct {
	config string
	json   bool
}

func newServeCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve what a configuration file says",
		Long: `Serve the sites of a configuration file.

Every extension that the file names is loaded before the first request; what is wrong with any of them is said at once, and
nothing is served. The first SIGINT or SIGTERM stops listening and waits up to 90 s for running requests, then calls
TerminateExtension; the second ends at once.`,
		Example: "  isapid serve -c isapid.yaml",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runServe(o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVarP(&o.config, "config", "c", "isapid.yaml", "configuration `file`")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON, also the log")
	return cmd
}

func runServe(o serveOptions, out, errOut io.Writer) error {
	cfg, err := loadConfig(o.config)
	if err != nil {
		return err
	}
	return serveConfig(cfg, &reporter{out: out, err: errOut, json: o.json, what: filepath.Base(o.config)})
}

func loadConfig(path string) (*config.Config, error) {
	cfg, err := config.Load(path)
	if err != nil {
		return nil, configError{err}
	}
	return cfg, nil
}

// serveConfig serves cfg until a signal ends it. It decides where the log goes.
func serveConfig(cfg *config.Config, say *reporter) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		return configError{fmt.Errorf("log level: %w", err)}
	}
	log := newLogger(say.err, level, say.json)
	say.log, say.access = "standard error", cfg.Log.AccessFile
	if cfg.Log.File != "" {
		f, err := openLog(cfg.Log.File)
		if err != nil {
			return err
		}
		defer f.Close()
		log, say.log = slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: level})), cfg.Log.File
	}
	f, err := front.New(cfg, log)
	if err != nil {
		return configError{err}
	}
	return live(f, say)
}
