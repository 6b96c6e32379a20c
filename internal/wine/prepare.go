package wine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// How much room a new prefix takes while it is made, in bytes; Wine's copies of its libraries are replaced by links at the end.
const (
	needed   = 900 << 20
	needed32 = 700 << 20 // more, where Wine has 32-bit libraries: it copies them unasked
)

// full is how little is left on a disk, in bytes, when that is taken for the reason of what failed.
const full = 16 << 20

// room is how much a prefix takes while it is made, in bytes. Without a Wine, which is nil then: at least.
func (w *Wine) room() int64 {
	if w != nil && w.Libraries["386"] != "" {
		return needed + needed32
	}
	return needed
}

// stopTimeout is how long the server of a prefix may take to write the registry and to end.
const stopTimeout = 30 * time.Second

// Prepare makes a prefix for programs of these processors and of all that Wine runs here, or brings one up to date, if that is needed. Any number of processes
// may do so at a time. progress, if not nil, gets sentences about what takes long, from this goroutine. What was made halfway is removed when
// ctx ends or something fails, and by the next Prepare if this process is killed.
func (w *Wine) Prepare(ctx context.Context, prefix string, arches []string, progress func(string)) error {
	if progress == nil {
		progress = func(string) {}
	}
	prefix, err := filepath.Abs(prefix)
	if err != nil {
		return err
	}
	arches = slices.Compact(slices.Sorted(slices.Values(append([]string{"amd64"}, arches...))))
	for _, a := range arches {
		if err := w.Supports(a); err != nil {
			return err
		}
	}
	if what, s, err := look(prefix); err == nil && what == ours {
		if why, help := cannotUse(prefix); why != "" {
			return fmt.Errorf("%s: %s", why, help)
		}
		if s.outdated(prefix, w.Version, arches) == "" {
			return nil
		}
	}
	if err := w.prepare(ctx, prefix, arches, progress); err != nil {
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
			if why, help := cannotMake(prefix, 0); why != "" {
				return fmt.Errorf("%s: %w: %s", why, err, help)
			}
		}
		return fmt.Errorf("prepare the Wine prefix %q: %w", prefix, err)
	}
	return nil
}

func (w *Wine) prepare(ctx context.Context, prefix string, arches []string, progress func(string)) error {
	if err := os.MkdirAll(filepath.Dir(prefix), 0o700); err != nil {
		return err
	}
	unlock, err := lock(ctx, prefix+".lock", func() { progress("waiting for another process that prepares the Wine prefix " + prefix) })
	if err != nil {
		return err
	}
	defer unlock()
	if err := w.sweep(prefix); err != nil {
		return err
	}
	what, s, err := look(prefix)
	if err != nil {
		return err
	}
	switch what {
	case nothing:
		return w.create(ctx, prefix, arches, progress)
	case ours:
		why := s.outdated(prefix, w.Version, arches)
		if why == "" {
			return nil
		}
		progress(fmt.Sprintf("bringing the Wine prefix %s up to date: %s", prefix, why))
		known := slices.DeleteFunc(s.Arches, func(a string) bool { return w.Supports(a) != nil }) // a Wine for those may have been removed
		return w.update(ctx, prefix, slices.Compact(slices.Sorted(slices.Values(append(arches, known...)))))
	case foreign:
		if why, help := cannotUse(prefix); why != "" {
			return fmt.Errorf("%s: %s", why, help)
		}
		return w.giveAllRandom(prefix, arches)
	default:
		return errors.New("the folder is not empty and is no Wine prefix: name another, or empty it")
	}
}

// sweep removes what a process that was killed left half-made. The lock is ours: nobody is making one.
func (w *Wine) sweep(prefix string) error {
	left, err := filepath.Glob(globQuote(prefix) + ".new-*")
	if err != nil {
		return err
	}
	for _, dir := range left {
		w.stop(dir)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

func (w *Wine) create(ctx context.Context, prefix string, arches []string, progress func(string)) (err error) {
	if why, help := cannotMake(prefix, w.room()); why != "" {
		return fmt.Errorf("%s: %s", why, help)
	}
	progress(fmt.Sprintf("making the Wine prefix %s for %s: once, takes some seconds", prefix, w.Version))
	begin := time.Now()
	work, err := os.MkdirTemp(filepath.Dir(prefix), filepath.Base(prefix)+".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			w.stop(work)
			os.RemoveAll(work)
		}
	}()
	if err := w.boot(ctx, work, arches, "--init", true); err != nil {
		return err
	}
	// Wine has made it for 32-bit programs, too, if it runs any. To say so later would end all programs that run in the prefix then.
	if w.Path32 != "" && !slices.Contains(arches, "386") && incomplete(work, "386") == "" {
		if err := w.giveRandom(work, "386"); err != nil {
			return err
		}
		arches = slices.Sorted(slices.Values(append(arches, "386")))
	}
	os.Remove(filepath.Join(work, "wineserver")) // Debian's Wine: where the server of this folder was
	if err := (&stamp{Format: format, Wine: w.Version, Arches: arches}).write(work); err != nil {
		return err
	}
	if err := os.Rename(work, prefix); err != nil {
		return err
	}
	progress(fmt.Sprintf("the Wine prefix %s is made: %d MB, %.1f s", prefix, sizeOf(prefix)>>20, time.Since(begin).Seconds()))
	return nil
}

// update brings a prefix up to date where it is, so that what others put into its registry stays. If it fails, the next Prepare does it again.
func (w *Wine) update(ctx context.Context, prefix string, arches []string) error {
	if free, err := freeSpace(prefix); err == nil && free < w.room() { // it is not made worse
		return fmt.Errorf("%s: make room", noRoom(free, w.room()))
	}
	w.stop(prefix) // a server of the old Wine serves no programs of the new one
	if err := (&stamp{Format: format, Wine: w.Version, Arches: arches, Changed: true}).write(prefix); err != nil {
		return err
	}
	if err := unlinkLibraries(prefix); err != nil {
		return err
	}
	if err := removeEmpty(prefix); err != nil {
		return err
	}
	if err := w.boot(ctx, prefix, arches, "--update", false); err != nil {
		w.stop(prefix)
		return err
	}
	return (&stamp{Format: format, Wine: w.Version, Arches: arches}).write(prefix)
}

// removeEmpty removes a registry of which nothing is left, as after a power cut: Wine makes a new one, but takes an empty one for that of another Wine.
func removeEmpty(prefix string) error {
	for _, name := range []string{"system.reg", "user.reg", "userdef.reg"} {
		path := filepath.Join(prefix, name)
		if st, err := os.Stat(path); err == nil && st.Size() == 0 {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// neverUpdate in the file that says when Wine last updated a prefix, timestampName, keeps it from doing so by itself, when its server starts. For root
// it would write through our links then, over Wine's own libraries.
const (
	neverUpdate   = "disable\n"
	timestampName = ".update-timestamp"
)

// neverUpdates tells whether Wine lets a prefix as it is.
func neverUpdates(prefix string) bool {
	says, err := os.ReadFile(filepath.Join(prefix, timestampName))
	return err == nil && string(says) == neverUpdate
}

// keepUpdates keeps Wine from updating a prefix of ours, if somebody has changed the file that says so since it was prepared.
func keepUpdates(prefix string) error {
	if what, _, err := look(prefix); err != nil || what != ours || neverUpdates(prefix) {
		return err
	}
	return replaceFile(filepath.Join(prefix, timestampName), []byte(neverUpdate))
}

// boot lets Wine fill a prefix and makes of it what it should be. The server has ended and written the registry when it returns nil.
func (w *Wine) boot(ctx context.Context, prefix string, arches []string, how string, isNew bool) error {
	timestamp := filepath.Join(prefix, timestampName)
	if err := os.Remove(timestamp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := w.run(ctx, prefix, w.Path, "wineboot", how); err != nil {
		return w.orFull(prefix, err)
	}
	if err := w.setRegistry(ctx, prefix); err != nil {
		return w.orFull(prefix, err)
	}
	if err := w.stop(prefix); err != nil {
		return err
	}
	for _, a := range arches {
		if missing := incomplete(prefix, a); missing != "" {
			return fmt.Errorf("Wine has made no %s: is the disk full, or Wine not installed whole?", strings.TrimPrefix(missing, prefix+"/"))
		}
	}
	if err := w.linkLibraries(prefix, isNew); err != nil {
		return err
	}
	if err := keepInside(prefix); err != nil {
		return err
	}
	if err := w.giveAllRandom(prefix, arches); err != nil {
		return err
	}
	return replaceFile(timestamp, []byte(neverUpdate))
}

// orFull is err, or, if there is hardly any room on the disk of the prefix now, that.
func (w *Wine) orFull(prefix string, err error) error {
	if free, e := freeSpace(prefix); e == nil && free < full {
		return fmt.Errorf("the disk got full while it was made, which takes %d MB: make room, or %s", w.room()>>20, another)
	}
	return err
}

// incomplete names a file that a prefix for programs of that processor must have and has not; "" if all are there.
func incomplete(prefix, arch string) string {
	system := SystemFolder(prefix, arch)
	for _, path := range []string{filepath.Join(prefix, "system.reg"), filepath.Join(prefix, "user.reg"),
		filepath.Join(system, "kernel32.dll"), filepath.Join(system, "user32.dll")} {
		if st, err := os.Stat(path); err != nil || st.Size() == 0 {
			return path
		}
	}
	return ""
}

// globQuote makes a path match only itself.
func globQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
