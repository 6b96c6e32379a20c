package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/toolchain"
)

type runOptions struct {
	file      string
	addr      string
	root      string
	threads   int
	stack     size
	accessLog string
	json      bool
}

func newRunCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run FILE",
		Short: "Serve one extension at every path",
		Long: `Serve one extension at every path, without a configuration file.

FILE is a built extension (.so) or the source of one: .c, .cpp and .pas files are compiled first, into a private folder that is
removed at the end. When FILE changes (of a source, any source or header beside it), the new version takes the place of the one that
runs, and no request is lost; one that cannot be compiled or loaded changes nothing. The extension runs in a worker process. Its document root, which PATH_TRANSLATED and
HSE_REQ_MAP_URL_TO_PATH answer with, is the folder of FILE; no file in it is served.

Ctrl-C stops listening, waits up to 90 s for running requests and calls TerminateExtension; a second Ctrl-C ends at once. SIGHUP is ignored.`,
		Example: `  isapid run counter.c
  isapid run shop.so --addr 127.0.0.1:8081 --root ./wwwroot --access-log access.log`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file = args[0]
			return runRun(o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.addr, "addr", ":8080", "`address` to listen on: host:port; port 0 takes a free one")
	f.StringVar(&o.root, "root", "", "document root `folder` (default: the folder of FILE)")
	f.IntVar(&o.threads, "threads", 25, "requests inside the extension at a time, 1 to 4096; 1 makes all calls from one thread")
	f.Var(&o.stack, "stack", "stack of a thread, such as 1MiB (default: the system's)")
	f.StringVar(&o.accessLog, "access-log", "", "append a JSON line per request to this `file`")
	f.BoolVar(&o.json, "json", false, "print JSON, also the log")
	return cmd
}

func runRun(o runOptions, out, errOut io.Writer) error {
	cfg, err := o.asConfig()
	if err != nil {
		return err
	}
	if _, err := os.Stat(o.file); err != nil {
		return imageError{fmt.Errorf("nothing to run: %w", err)}
	}
	say := &reporter{out: out, err: errOut, json: o.json, what: o.file}
	edited := func() {}
	if toolchain.CanCompile(o.file) {
		dir, err := os.MkdirTemp("", "isapid-run-")
		if err != nil {
			return fmt.Errorf("make a folder to compile in: %w", err)
		}
		defer os.RemoveAll(dir)
		lib, err := compile(o.file, dir, say)
		if err != nil {
			return err
		}
		cfg.Sites[0].Applications[0].Handlers[0].Extension = lib
		edited = func() {
			if _, err := compile(o.file, dir, say); err != nil { // the library takes the place of the one that runs, which is a swap
				say.progress("%v\nisapid: the version before serves on", err)
			}
		}
	}
	var edits *sources
	defer func() { edits.close() }()
	return serveConfig(cfg, say, func(l *life, _ *logSink) {
		l.front.OnSwap(say.swapped)
		if toolchain.CanCompile(o.file) {
			edits = watchSources(o.file, edited)
		}
	})
}

// asConfig is what the options would be as a configuration file: one site, one application, one handler for every path.
func (o runOptions) asConfig() (*config.Config, error) {
	if o.threads < 1 || o.threads > 4096 {
		return nil, usageError{fmt.Errorf("--threads %d is out of range; use 1 to 4096", o.threads)}
	}
	file, err := filepath.Abs(o.file)
	if err != nil {
		return nil, err
	}
	root := filepath.Dir(file)
	if o.root != "" {
		if root, err = filepath.Abs(o.root); err != nil {
			return nil, err
		}
		if fi, err := os.Stat(root); err != nil || !fi.IsDir() {
			return nil, usageError{fmt.Errorf("--root %q is not a folder", o.root)}
		}
	}
	binding, err := bindingOf(o.addr)
	if err != nil {
		return nil, err
	}
	site := config.DefaultSite(filepath.Base(o.file), root)
	site.Bindings = []config.Binding{binding}
	site.Static = false
	site.Applications[0].Handlers = []config.Handler{{Path: "*", Extension: file}}
	cfg := config.Default()
	cfg.Sites = []config.Site{site}
	cfg.Log.Level = "warn" // what is loaded and unloaded is told anyway
	pool := cfg.Pools[config.DefaultPoolName]
	pool.Threads, pool.Stack = o.threads, int(o.stack)
	pool.Update.Window, pool.Update.Backups = 0, 0 // who builds a version wants to see it fail, and has the sources of the one before
	if o.accessLog != "" {
		if cfg.Log.AccessFile, err = filepath.Abs(o.accessLog); err != nil {
			return nil, err
		}
	}
	return cfg, nil
}

func bindingOf(addr string) (config.Binding, error) {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return config.Binding{}, usageError{fmt.Errorf("--addr %q is no address to listen on; write it like %q or %q: %w", addr, ":8080", "127.0.0.1:8080", err)}
	}
	b := config.Binding{Port: a.Port}
	if a.IP != nil {
		b.Address = a.IP.String()
	}
	return b, nil
}

// compile builds source in dir, for as long as no signal comes.
func compile(source, dir string, say *reporter) (lib string, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	say.progress("compiling %s …", source)
	o := toolchain.Options{}
	if !say.json {
		o.Warnings = say.err
	}
	lib, err = toolchain.Compile(ctx, source, dir, o)
	switch {
	case ctx.Err() != nil:
		return "", errInterrupted
	case isA[*toolchain.CompileError](err), isA[*toolchain.MissingError](err):
		return "", compileError{err}
	}
	return lib, err
}
