package front

import (
	"fmt"
	"path/filepath"
	"runtime"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/image"
)

// kind is what an image is built for, as far as that decides which program its worker is: "" for this system and processor, else the
// processor of a Windows worker as Go calls it.
type kind string

const native kind = ""

// String says it as an operator reads it.
func (k kind) String() string {
	if k == native {
		return runtime.GOOS + "/" + runtime.GOARCH
	}
	return "windows/" + string(k)
}

// suffix sets the workers of a kind apart from others of the same pool, in a name that can be typed.
func (k kind) suffix() string {
	switch k {
	case native:
		return ""
	case "386":
		return ":win32"
	case "amd64":
		return ":win64"
	}
	return ":" + string(k)
}

// byWine says whether workers of the kind run under Wine.
func (k kind) byWine() bool { return k != native && runtime.GOOS != "windows" }

// kindOf is the kind of an image. One that is no image at all, or of another system, is native: what is wrong with it is for the worker to say.
func kindOf(i *image.Info) kind {
	switch {
	case i.System != "windows":
		return native
	case runtime.GOOS == "windows" && (i.Arch != "386" || runtime.GOARCH != "amd64"):
		return native
	}
	return kind(i.Arch)
}

// crew is what shares worker processes: those of a group for images of one kind.
type crew struct {
	group
	kind kind
}

// title is the name of a crew in logs, metrics and the status.
func (c crew) title() string { return c.name + c.kind.suffix() }

// loadable says whether the workers of a pool can load an image, and their kind. The error is a sentence for people.
func (f *Front) loadable(p *config.Pool, i *image.Info) (kind, error) {
	k, name := kindOf(i), filepath.Base(i.Path)
	switch {
	case p.Platform == config.PlatformWine && i.System != "" && k == native:
		return k, fmt.Errorf("%s: %w", name, errNotForWine)
	case p.Platform == config.PlatformNative:
		k = native
	}
	if k == native {
		return k, i.LoadableHere()
	}
	if why := p.NotUnderWine(); k.byWine() && why != "" {
		return k, fmt.Errorf("%s: %s", name, why)
	}
	return k, f.wine.setup.Loadable(i, f.wine.find)
}

// errNotForWine is why a pool of Windows workers does not take an image.
var errNotForWine = fmt.Errorf(`it is no Windows DLL, but its pool says "platform: wine"; write "platform: auto" for a pool of both`)

// kindOfVersion looks at the bytes of a version.
func (f *Front) kindOfVersion(p *config.Pool, path string, v executor.Version) (kind, error) {
	file := path
	if v.File != "" {
		file = v.File
	}
	info, err := image.Inspect(file)
	if err != nil {
		return native, nil //nolint:nilerr // loading it says what is wrong
	}
	info.Path = path // for what is said, and for libraries beside it
	if kindOf(info) == native && p.Platform != config.PlatformWine {
		return native, nil // likewise
	}
	return f.loadable(p, info)
}
