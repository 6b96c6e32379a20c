package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/image"
	"github.com/isapid/isapid/internal/toolchain"
	"github.com/isapid/isapid/internal/update"
	"github.com/isapid/isapid/internal/wine"
)

func newDoctorCommand() *cobra.Command {
	var o struct {
		config string
		json   bool
	}
	cmd := &cobra.Command{
		Use:   "doctor [IMAGE…]",
		Short: "Say what is missing on this machine, and how to come by it",
		Long: `doctor looks at what isapid needs on this machine, and at all images that are named, or that the configuration names: which Wine and which Windows
workers there are, in which state the prefix of Wine is, which compilers "isapid run shop.c" finds, and for each image whether it can be loaded and
every library that it needs and that is not found. With each thing that is missing it says what mends that. It loads nothing, changes nothing, and needs
no running server.

A line begins with "ok", with "note" if something is missing that only some images need, or with "missing". It is a failure if something is missing: with exit
code 4 if that is needed by an image, else with 1. Notes are none.`,
		Example: `  isapid doctor
  isapid doctor shop.dll
  isapid doctor --config isapid.yaml --json | jq '.[] | select(.level != "ok")'`,
		RunE: func(cmd *cobra.Command, images []string) error {
			d := &doctor{find: sync.OnceValues(wine.Find)}
			if o.config != "" {
				cfg, err := loadConfig(o.config)
				if err != nil {
					return err
				}
				d.setup = wineSetup(cfg)
				images = append(images, configured(cfg)...)
			}
			d.look(cmd.Context(), images)
			if o.json {
				printJSON(cmd.OutOrStdout(), d.found)
			} else {
				d.print(cmd.OutOrStdout())
			}
			return d.err()
		},
	}
	cmd.Flags().StringVarP(&o.config, "config", "c", "", "configuration `file` whose images and folders are looked at, too")
	cmd.Flags().BoolVar(&o.json, "json", false, "print a JSON array with one object for each finding")
	return cmd
}

// wineSetup is what a configuration says of Wine.
func wineSetup(cfg *config.Config) wine.Setup {
	return wine.Setup{Prefix: cfg.Wine.Prefix, Workers: cfg.Wine.Workers}
}

// level is how bad a finding is.
type level string

const (
	levelOK      level = "ok"
	levelNote    level = "note"    // missing, but needed for some images only
	levelMissing level = "missing" // needed
)

// diagnosis is one thing that was looked at.
type diagnosis struct {
	Level level  `json:"level"`
	About string `json:"about"`           // "Wine", or the path of an image
	Text  string `json:"text"`            // what was found: a sentence without its full stop
	Mend  string `json:"mend,omitempty"`  // what mends it: a command, or advice
	Image bool   `json:"image,omitempty"` // it is about an image
}

// doctor collects findings.
type doctor struct {
	setup wine.Setup
	find  func() (*wine.Wine, error)
	found []diagnosis
}

func (d *doctor) add(l level, about, text, mend string) {
	d.found = append(d.found, diagnosis{Level: l, About: about, Text: text, Mend: mend})
}

// look looks at the machine, then at the images; what these need is missing, not only noted.
func (d *doctor) look(ctx context.Context, images []string) {
	infos := map[string]*image.Info{}
	needs := map[string]bool{} // processors of Windows images
	for _, path := range images {
		if i, err := image.Inspect(path); err == nil {
			infos[path] = i
			if i.System == "windows" {
				needs[i.Arch] = true
			}
		}
	}
	if onWindows {
		d.lookWorker("386", needs["386"])
	} else {
		d.lookWine(needs)
	}
	d.lookCompilers(ctx)
	for _, path := range images {
		d.lookImage(path, infos[path])
	}
}

// ifNeeded is the level of something that is not there.
func ifNeeded(is bool) level {
	if is {
		return levelMissing
	}
	return levelNote
}

// lookWine looks at all that Windows images need on another system.
func (d *doctor) lookWine(needs map[string]bool) {
	w, err := d.find()
	if err != nil {
		d.addError(ifNeeded(len(needs) > 0), "Wine", err)
	} else {
		d.add(levelOK, "Wine", w.Version+", "+w.Path, "")
		if err := w.Supports("386"); err != nil {
			d.addError(ifNeeded(needs["386"]), "Wine, 32-bit", err)
		} else {
			d.add(levelOK, "Wine, 32-bit", w.Path32, "")
		}
	}
	for _, a := range windowsArches {
		d.lookWorker(a, needs[a])
	}
	s := w.State(d.setup.Place())
	switch {
	case s.Bad != "":
		d.add(ifNeeded(len(needs) > 0), "Wine prefix", s.Bad, s.Help)
	case !s.Made:
		d.add(levelOK, "Wine prefix", fmt.Sprintf("%s is made when a Windows image is loaded; \"isapid wine prepare\" makes it now", s.Prefix), "")
	case s.Stale != "":
		d.add(levelOK, "Wine prefix", fmt.Sprintf("%s is brought up to date when a Windows image is loaded, since %s", s.Prefix, s.Stale), "")
	case !s.Ours:
		d.add(levelOK, "Wine prefix", s.Prefix+" was made by somebody else, and is used as it is", "")
	default:
		d.add(levelOK, "Wine prefix", fmt.Sprintf("%s, for %s, %d MB", s.Prefix, strings.Join(s.Arches, " and "), s.Size>>20), "")
	}
}

// addError is add for an error, which says what mends it if it is one of something that is missing.
func (d *doctor) addError(l level, about string, err error) {
	if missing, ok := errors.AsType[*wine.MissingError](err); ok {
		d.add(l, about, missing.What, missing.Help)
		return
	}
	d.add(l, about, err.Error(), "")
}

func (d *doctor) lookWorker(arch string, isNeeded bool) {
	about := "worker for windows/" + arch
	path, err := d.setup.Worker(arch)
	if err != nil {
		d.addError(ifNeeded(isNeeded), about, err)
		return
	}
	d.add(levelOK, about, path, "")
}

func (d *doctor) lookCompilers(ctx context.Context) {
	for _, l := range []struct{ language, source string }{{"C", "x.c"}, {"C++", "x.cpp"}, {"Pascal", "x.pas"}} {
		about := "compiler for " + l.language
		command, err := toolchain.Command(ctx, l.source, toolchain.Options{})
		if missing, ok := errors.AsType[*toolchain.MissingError](err); ok {
			d.add(levelNote, about, fmt.Sprintf("there is none, which \"isapid run %s\" needs", l.source), "on Debian: apt-get install "+missing.Package)
			continue
		}
		if err != nil {
			d.add(levelNote, about, err.Error(), "")
			continue
		}
		d.add(levelOK, about, command[0], "")
	}
}

// lookImage says all that keeps an image from being loaded.
func (d *doctor) lookImage(path string, i *image.Info) {
	before := len(d.found)
	if i == nil {
		_, err := image.Inspect(path)
		d.add(levelMissing, path, fmt.Sprint(err), "name a file that is there, and that this user may read")
	} else if err := d.loadable(i); err != nil {
		d.imageProblem(path, i, err)
	} else {
		d.add(levelOK, path, d.how(i), "")
	}
	for n := before; n < len(d.found); n++ {
		d.found[n].Image = true
	}
}

func (d *doctor) loadable(i *image.Info) error { return d.setup.Loadable(i, d.find) }

// imageProblem says why an image cannot be loaded. Of libraries that are missing it names all, with where they were looked for.
func (d *doctor) imageProblem(path string, i *image.Info, err error) {
	missing, looked := d.missing(i)
	if len(missing) == 0 || i.Incomplete != "" || i.Damaged != "" {
		if m, ok := errors.AsType[*wine.MissingError](err); ok {
			d.add(levelMissing, path, m.What, m.Help)
			return
		}
		d.add(levelMissing, path, strings.TrimPrefix(err.Error(), filepath.Base(path)+": "), "")
		return
	}
	for _, l := range missing {
		by := ""
		if l.By != "" {
			by = " (for " + harmless(l.By) + ")"
		}
		d.add(levelMissing, path, fmt.Sprintf("it needs %s%s, which is not in %s", harmless(l.Name), by, strings.Join(looked, ", ")), l.Help())
	}
}

// missing are the libraries that an image lacks, and where they were looked for.
func (d *doctor) missing(i *image.Info) (list []image.Library, looked []string) {
	looked = []string{harmless(filepath.Dir(i.Path))}
	if !wine.Concerns(i) {
		if i.System == "windows" {
			return i.Missing(image.Host{}), append(looked, "the folders of the system", "PATH")
		}
		return i.Missing(image.Host{}), append(looked, "the folders of the system's loader")
	}
	w, err := d.find()
	if err != nil || w.Libraries[i.Arch] == "" {
		return i.Missing(image.Host{}), append(looked, "what every Windows has")
	}
	prefix := d.setup.Place()
	looked = append(looked, w.Libraries[i.Arch])
	return i.Missing(wine.Host(w, prefix, i.Arch)), append(looked, wine.SystemFolder(prefix, i.Arch))
}

// how says what will load an image.
func (d *doctor) how(i *image.Info) string {
	if !wine.Concerns(i) {
		return fmt.Sprintf("%s; it can be loaded here", format(i))
	}
	w, _ := d.find() // there is one: it can be loaded
	return fmt.Sprintf("%s; it can be loaded in a Windows worker under %s", format(i), w.Version)
}

func (d *doctor) print(out io.Writer) {
	for _, f := range d.found {
		fmt.Fprintf(out, "%-8s %s: %s.\n", f.Level, harmless(f.About), strings.TrimSuffix(f.Text, "."))
		if f.Mend != "" {
			fmt.Fprintf(out, "         → %s\n", f.Mend)
		}
	}
}

func (d *doctor) err() error {
	lacking, images := 0, 0
	for _, f := range d.found {
		if f.Level == levelMissing {
			lacking++
			if f.Image {
				images++
			}
		}
	}
	switch {
	case images > 0:
		return imageError{fmt.Errorf("%s cannot be loaded as things are; see the lines that begin with \"missing\"", plurals(d.badImages(), "image", "images"))}
	case lacking > 0:
		return fmt.Errorf("%s missing", plurals(lacking, "thing is", "things are"))
	}
	return nil
}

// badImages is how many images something is missing for.
func (d *doctor) badImages() int {
	bad := map[string]bool{}
	for _, f := range d.found {
		if f.Image && f.Level == levelMissing {
			bad[f.About] = true
		}
	}
	return len(bad)
}

// configured are the files that the images of a configuration are loaded from.
func configured(cfg *config.Config) (paths []string) {
	for _, files := range update.All(slices.Sorted(maps.Keys(usesOf(cfg)))) {
		paths = append(paths, files.Run())
	}
	return paths
}
