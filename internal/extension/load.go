package extension

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/isapid/isapid/internal/ansi"
	"github.com/isapid/isapid/internal/image"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/taps"
	"github.com/isapid/isapid/internal/trace"
)

// exports are the addresses of an image's functions; 0 if it has none of that name.
type exports struct {
	version, proc, terminate             uintptr
	filterVersion, filterProc, filterEnd uintptr
	dllMain                              uintptr
}

// ErrVersion is why an extension is not loaded whose GetExtensionVersion returned FALSE.
var ErrVersion = errors.New("GetExtensionVersion returned FALSE")

func (e *Extension) load(path string) (err error) {
	v := e.opt.Version
	if file := cmp.Or(v.File, path); e.opt.Place != "" {
		e.staged, err = image.StageIn(path, file, v.SHA256, e.opt.Place)
	} else {
		e.staged, err = image.StageVersion(path, file, v.SHA256, e.opt.Staging)
	}
	if err != nil {
		return err
	}
	e.watchImage()
	undo := []func() error{e.staged.Remove, func() error { e.watch.Close(); return nil }}
	native.Copied(filepath.Dir(e.staged.Path), filepath.Dir(e.staged.Source))
	defer func() {
		for i := len(undo) - 1; i >= 0 && err != nil; i-- {
			err = errors.Join(err, undo[i]())
		}
	}()
	info, err := e.inspect()
	if err != nil {
		return err
	}
	e.isGo = info.Go
	if err = e.claimUnique(info.Unique); err != nil {
		return err
	}
	undo = append(undo, func() error { e.releaseUnique(); return nil })
	var beside []string // to be loaded before it, in that order
	for _, lib := range slices.Backward(info.Needed) {
		if lib.Beside {
			beside = append(beside, lib.Path)
		}
	}
	if e.lib, err = native.Open(e.staged.Path, beside...); err != nil {
		return err
	}
	undo = append(undo, e.close)
	if err = e.resolve(); err != nil {
		return err
	}
	if e.threads, err = newThreads(e, e.start); err != nil {
		return err
	}
	return nil
}

// inspect looks at the staged copy, which nobody can change any more.
func (e *Extension) inspect() (*image.Info, error) {
	info, err := e.staged.Inspect()
	if err != nil {
		return nil, err
	}
	return info, info.LoadableHere()
}

// close unloads the code.
func (e *Extension) close() error {
	unloaded, err := e.lib.Close()
	e.stuck = !unloaded
	if !unloaded && err == nil {
		e.log.Warn("image stays in memory: it has unique symbols, thread-specific data, thread-local destructors, -z nodelete, or is built by Go")
	}
	return err
}

// resolve finds the exports, undecorated first, then as 32-bit Windows tools decorate them (_TerminateExtension@4).
func (e *Extension) resolve() error {
	find := func(name string, argBytes int) uintptr {
		return e.lib.Lookup(name, fmt.Sprintf("_%s@%d", name, argBytes), fmt.Sprintf("%s@%d", name, argBytes), "_"+name)
	}
	e.exports = exports{
		version: find("GetExtensionVersion", 4), proc: find("HttpExtensionProc", 4),
		terminate:     find("TerminateExtension", 4),
		filterVersion: find("GetFilterVersion", 4), filterProc: find("HttpFilterProc", 12), filterEnd: find("TerminateFilter", 4),
		dllMain: find("DllMain", 12),
	}
	return e.exports.lacks(e.opt.Filter)
}

// start runs the code an image has for its beginning, on the thread that is to run it: DllMain(DLL_PROCESS_ATTACH), then
// GetFilterVersion and GetExtensionVersion, as far as it is a filter and an extension. When one says no, what came before it is
// ended, and DllMain is told DLL_PROCESS_DETACH, as Windows does.
func (e *Extension) start() error {
	if e.exports.dllMain != 0 {
		ok, err := e.dllMain(isapi.DLLProcessAttach)
		if err != nil {
			return fmt.Errorf("DllMain(DLL_PROCESS_ATTACH): %w", err)
		}
		if !ok {
			return errors.Join(errors.New("DllMain(DLL_PROCESS_ATTACH) returned FALSE"), e.detach())
		}
	}
	if err := e.halves(); err != nil {
		return errors.Join(err, e.detach())
	}
	return nil
}

// halves asks what is in the image for its version.
func (e *Extension) halves() error {
	if e.opt.Filter {
		if err := e.startFilter(); err != nil {
			return err
		}
		e.desc = e.filter.Description()
	}
	if e.FilterOnly() {
		return nil
	}
	err := e.version()
	if err != nil && e.filter != nil {
		err = errors.Join(err, e.filter.Close())
	}
	return err
}

func (e *Extension) version() error {
	c := taps.Enter(e.opt.Tap, e.image, trace.GetExtensionVersion)
	c.Go()
	info, ok, errno, err := native.GetExtensionVersion(e.exports.version, e.opt.ImageID)
	taps.Leave(c, ok, errno, err, taps.Said{Name: "description", Text: isapi.Cut(info.Desc[:])})
	if err != nil {
		return fmt.Errorf("GetExtensionVersion: %w", err)
	}
	if !ok {
		if errno != 0 {
			return fmt.Errorf("%w; its last error is %d", ErrVersion, uint32(errno))
		}
		return ErrVersion
	}
	e.desc = isapi.Printable(ansi.Decode(isapi.Cut(info.Desc[:])))
	return nil
}

func (e *Extension) detach() error {
	if e.exports.dllMain == 0 {
		return nil
	}
	if _, err := e.dllMain(isapi.DLLProcessDetach); err != nil {
		return e.fault(fmt.Errorf("DllMain(DLL_PROCESS_DETACH): %w", err), nil)
	}
	return nil
}
