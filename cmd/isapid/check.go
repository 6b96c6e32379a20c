package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/front"
	"github.com/isapid/isapid/internal/image"
	"github.com/isapid/isapid/internal/update"
	"github.com/isapid/isapid/internal/wine"
)

type checkOptions struct {
	config string
	json   bool
}

func newCheckCommand() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what a configuration file would serve",
		Long: `Check a configuration file and say what it would serve: a line per filter and handler, in the order they are tried, then every image
that the file names, whether it is watched for updates and whether it can be loaded here. Nothing is loaded and no port is opened.`,
		Example: "  isapid check -c isapid.yaml",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runCheck(o, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVarP(&o.config, "config", "c", "isapid.yaml", "configuration `file`")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// checkReport is what a configuration would serve.
type checkReport struct {
	File   string        `json:"file"`
	Routes []front.Route `json:"routes"`
	Images []checkImage  `json:"images"`
}

type checkImage struct {
	Image   string `json:"image"`
	Kind    string `json:"kind,omitempty"`
	Error   string `json:"error,omitempty"`
	Watched bool   `json:"watched"` // a pool that runs it is updated when its files change
}

func runCheck(o checkOptions, out io.Writer) error {
	cfg, err := loadConfig(o.config)
	if err != nil {
		return err
	}
	f, err := front.New(cfg, nil)
	if err != nil {
		return configError{err}
	}
	report := checkReport{File: cfg.File, Routes: f.Routes(), Images: inspectAll(cfg)}
	if o.json {
		printJSON(out, report)
	} else {
		report.print(out)
	}
	return report.err()
}

func (r checkReport) err() error {
	bad := 0
	for _, i := range r.Images {
		if i.Error != "" {
			bad++
		}
	}
	if bad == 0 {
		return nil
	}
	return imageError{fmt.Errorf("%s: %d of %s cannot be loaded", r.File, bad, plural(int64(len(r.Images)), "image"))}
}

// use is what the configuration wants of an image.
type use struct{ watched, extension, filter bool }

// usesOf are the images that the file names. Images that URLs name are not known before a request comes.
func usesOf(cfg *config.Config) map[string]use {
	uses := map[string]use{}
	add := func(a *config.Application, image string, u use) {
		u.watched = cfg.Pools[a.Pool].Update.Watch
		old := uses[image]
		uses[image] = use{old.watched || u.watched, old.extension || u.extension, old.filter || u.filter}
	}
	for i := range cfg.Sites {
		s := &cfg.Sites[i]
		for j := range s.Applications {
			a := &s.Applications[j]
			for _, h := range a.Handlers {
				if h.Extension != "" {
					add(a, h.Extension, use{extension: true})
				}
			}
			for _, image := range slices.Concat(cfg.Filters, s.Filters, a.Filters) {
				add(a, image, use{filter: true})
			}
		}
	}
	return uses
}

// inspectAll looks at every image that the file names.
func inspectAll(cfg *config.Config) []checkImage {
	uses := usesOf(cfg)
	setup, find := wineSetup(cfg), sync.OnceValues(wine.Find)
	list := []checkImage{}
	for _, files := range update.All(slices.Sorted(maps.Keys(uses))) {
		u := uses[files.Image()]
		found := u.inspect(files.Run(), func(i *image.Info) error { return setup.Loadable(i, find) })
		found.Image, found.Watched = files.Image(), u.watched
		list = append(list, found)
	}
	return list
}

// inspect says whether an image is what the configuration wants.
func (u use) inspect(path string, loadable func(*image.Info) error) checkImage {
	info, err := image.Inspect(path)
	if err == nil {
		err = loadable(info)
	}
	switch {
	case err != nil:
		return checkImage{Image: path, Error: err.Error()}
	case u.extension && info.Kind == image.KindFilter:
		return checkImage{Image: path, Kind: string(info.Kind), Error: "a filter, not an extension: it has no HttpExtensionProc"}
	case u.filter && info.Kind == image.KindExtension:
		return checkImage{Image: path, Kind: string(info.Kind), Error: "an extension, not a filter: it has no HttpFilterProc"}
	}
	return checkImage{Image: path, Kind: string(info.Kind)}
}

func (r checkReport) print(out io.Writer) {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "SITE\tBINDING\tAPPLICATION\tPATTERN\tHANDLER\tPOOL\tIMAGE")
	for _, x := range r.Routes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.Site, strings.Join(x.Bindings, " "), x.Application, x.Pattern,
			x.Handler, orDefault(x.Pool, "-"), orDefault(x.Image, "-"))
	}
	t.Flush()
	if len(r.Images) == 0 {
		return
	}
	fmt.Fprintln(t, "\nIMAGE\tWATCHED\tRESULT")
	for _, i := range r.Images {
		fmt.Fprintf(t, "%s\t%s\t%s\n", i.Image, map[bool]string{true: "yes", false: "no"}[i.Watched], orDefault(i.Error, i.Kind))
	}
	t.Flush()
}

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}
