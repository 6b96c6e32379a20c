package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/image"
	"github.com/isapid/isapid/internal/toolchain"
)

type runOptions struct {
	file      string
	filters   []string
	inProcess bool
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
		Short: "Serve one extension at every path, or try a filter",
		Long: `Serve one extension at every path, without a configuration file.

FILE is a built extension (.so; a .dll for Windows, which runs under Wine) or the source of one: .c, .cpp and .pas files are compiled first, into a
private folder that is removed at the end. When FILE changes (of a source, any source or header beside it), the new version takes the place of the one that
runs, and no request is lost; one that cannot be compiled or loaded changes nothing. The extension runs in a worker process. Its document root, which PATH_TRANSLATED and
HSE_REQ_MAP_URL_TO_PATH answer with, is the folder of FILE; no file in it is served.

If FILE is a filter, the files of the document root are served through it. Filters of --filter see every request before the
extension does. Filters that want raw data (SF_NOTIFY_READ_RAW_DATA, SF_NOTIFY_SEND_RAW_DATA) need --in-process.

Everything that an extension may not do is looked for (checks: on) and told as it is found; of each fault, and each death of a worker, all that is
known is printed.

Ctrl-C stops listening, waits up to 90 s for running requests and calls TerminateExtension; a second Ctrl-C ends at once. SIGHUP is ignored.`,
		Example: `  isapid run counter.c
  isapid run shop.so --addr 127.0.0.1:8081 --root ./wwwroot --access-log access.log
  isapid run counter.c --filter rewriter.c
  isapid run upcase.c --root ./wwwroot --in-process`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file = args[0]
			return runRun(o, beneath(cmd.OutOrStdout()), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.addr, "addr", ":8080", "`address` to listen on: host:port; port 0 takes a free one")
	f.StringVar(&o.root, "root", "", "document root `folder` (default: the folder of FILE)")
	f.StringArrayVar(&o.filters, "filter", nil, "filter that sees every request: a library or a source like FILE, which may be given again")
	f.BoolVar(&o.inProcess, "in-process", false, "run everything in this process instead of a worker")
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
	say := &reporter{out: out, err: errOut, json: o.json, what: o.file}
	dir, err := os.MkdirTemp("", "isapid-run-")
	if err != nil {
		return fmt.Errorf("make a folder to compile in: %w", err)
	}
	defer os.RemoveAll(dir)
	site := &cfg.Sites[0]
	parts := []*part{{source: o.file, image: &site.Applications[0].Handlers[0].Extension}}
	for i := range cfg.Filters {
		parts = append(parts, &part{source: o.filters[i], image: &cfg.Filters[i]})
	}
	for n, p := range parts {
		if err := p.build(filepath.Join(dir, strconv.Itoa(n)), say); err != nil {
			return err
		}
	}
	if file := *parts[0].image; isFilter(file) {
		site.Applications[0].Handlers, site.Static = nil, true
		cfg.Filters = append([]string{file}, cfg.Filters...)
	}
	defer func() {
		for _, p := range parts {
			p.edits.close()
		}
	}()
	return serveConfig(cfg, say, func(l *life, _ *logSink) {
		l.front.OnSwap(say.swapped)
		l.front.OnObituary(say.died)
		l.front.OnProgress(func(step string) { say.progress("%s", step) })
		for _, p := range parts {
			p.watch(say)
		}
	})
}

// part is an extension or a filter that is run.
type part struct {
	source string  // as the command line has it; a library is its own
	image  *string // the library, in the configuration
	dir    string  // where it is compiled; "" if it is not
	edits  *sources
}

// build compiles a source.
func (p *part) build(dir string, say *reporter) (err error) {
	if _, err := os.Stat(p.source); err != nil {
		return imageError{fmt.Errorf("nothing to run: %w", err)}
	}
	if !toolchain.CanCompile(p.source) {
		return nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make a folder to compile in: %w", err)
	}
	p.dir = dir
	*p.image, err = compile(p.source, dir, say)
	return err
}

// watch compiles a source again whenever it changes. The library takes the place of the one that runs, which is a swap.
func (p *part) watch(say *reporter) {
	if p.dir == "" {
		return
	}
	p.edits = watchSources(p.source, func() {
		if _, err := compile(p.source, p.dir, say); err != nil {
			say.progress("%v\nisapid: the version before serves on", err)
		}
	})
}

// isFilter tells whether a library is a filter and nothing else. What is wrong with it comes to light when it is loaded.
func isFilter(file string) bool {
	info, err := image.Inspect(file)
	return err == nil && info.Kind == image.KindFilter
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
	pool.Threads, pool.Stack, pool.Checks = o.threads, int(o.stack), config.ChecksOn
	cfg.Crashes.Keep = 0 // what is known of them is printed
	if o.inProcess {
		pool.Mode = config.ModeInProcess
	}
	for _, name := range o.filters {
		if name, err = filepath.Abs(name); err != nil {
			return nil, err
		}
		cfg.Filters = append(cfg.Filters, name)
	}
	pool.Update.Window, pool.Update.Backups = 0, 0 // who builds a version wants to see it fail, and has the sources of the one before
	if o.accessLog != "" {
		file, err := filepath.Abs(o.accessLog)
		if err != nil {
			return nil, err
		}
		cfg.Log.Access = config.JSONAccessLog(file)
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
