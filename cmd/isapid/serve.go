package main

import (
	"cmp"
	"io"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/front"
	"github.com/isapid/isapid/internal/systemd"
)

type serveOptions struct {
	config  string
	json    bool
	service string // name of the service of Windows that this is; "": none
}

func newServeCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve what a configuration file says",
		Long: `Serve the sites of a configuration file.

Every extension that the file names is loaded before the first request; what is wrong with any of them is said at once, and
nothing is served. The first SIGINT or SIGTERM stops listening and waits up to 90 s for running requests, then calls
TerminateExtension; the second ends at once. SIGHUP reads the file again and changes what differs, as "isapid reload" does.
SIGUSR1 opens the files of the log and the access log again, after another program has moved them away.

Under systemd the server uses the sockets it is handed and tells the manager when it is ready, reloads and ends. On Windows "isapid service"
makes a service of it; Ctrl-Break and closing the window end it there, and "isapid reload" and "isapid reopen" do what the signals do.`,
		Example: "  isapid serve -c isapid.yaml",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runServe(o, beneath(cmd.OutOrStdout()), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVarP(&o.config, "config", "c", "isapid.yaml", "configuration `file`")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON, also the log")
	cmd.Flags().StringVar(&o.service, "service", "", "`name` of the service of Windows that this process is")
	_ = cmd.Flags().MarkHidden("service") // Windows says it
	return cmd
}

func runServe(o serveOptions, out, errOut io.Writer) error {
	if o.service != "" {
		return serveAsService(o)
	}
	manager, err := systemd.Connect()
	if err != nil {
		return err
	}
	sockets, err := systemd.Sockets()
	if err != nil {
		return listenError{err}
	}
	cfg, err := loadConfig(o.config)
	if err != nil {
		return err
	}
	return serveConfig(cfg, &reporter{out: out, err: errOut, json: o.json, what: filepath.Base(o.config)}, func(l *life, sink *logSink) {
		l.front.Inherit(sockets)
		l.manage(cfg, sink, manager)
	})
}

// manage makes the server one that commands can ask, and that tells a manager how it goes on.
func (l *life) manage(cfg *config.Config, sink *logSink, m serviceManager) {
	l.service = &service{
		Control: front.NewControl(l.front, buildVersion().Version, l.askToDrain, sink.follow),
		places:  placesOf(&cfg.Control), reopen: l.reopenLogs, manager: m, log: sink.logger().With(subsystemKey, "control"),
	}
}

func loadConfig(path string) (*config.Config, error) {
	cfg, err := config.Load(path)
	if err != nil {
		return nil, configError{err}
	}
	return cfg, nil
}

// serveConfig serves cfg until a signal ends it. It decides where the log goes. What prepare adds to the life is there
// before anything is begun.
func serveConfig(cfg *config.Config, say *reporter, prepare func(*life, *logSink)) error {
	reopens := make(chan os.Signal, 1) // more of them mean the same
	if len(reopenSignals) > 0 {
		signal.Notify(reopens, reopenSignals...) // or it would end this process
		defer signal.Stop(reopens)
	}
	sink := newLogSink(say.err, say.json)
	sink.instead, sink.events = say.instead, say.events
	commit, _, err := sink.follow(cfg)
	if err != nil {
		return configError{err}
	}
	commit()
	defer sink.close()
	say.log = "standard error"
	if a := cfg.Log.Access; a != nil {
		say.access = a.File + a.Directory // one of them
	}
	if file := cmp.Or(cfg.Log.File, say.instead); file != "" {
		say.log = file
	}
	f, err := front.New(cfg, sink.logger())
	if err != nil {
		return configError{err}
	}
	l := newLife(f, say, sink, reopens)
	prepare(l, sink)
	return l.live()
}
