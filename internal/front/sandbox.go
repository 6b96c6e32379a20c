package front

import (
	"path/filepath"
	"slices"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/wire"
)

// sandboxOf is what the workers of a pool keep. Where files are restricted they may read the places of images besides what
// the pool lists: a worker stages the images it loads.
func sandboxOf(cfg *config.Config, p *config.Pool) *wire.Sandbox {
	s := p.Sandbox
	if s == nil {
		return nil
	}
	b := &wire.Sandbox{
		Files: s.Read != nil || s.Write != nil, Read: slices.Clone(s.Read), Write: s.Write,
		Network: s.Connect != nil || s.Bind != nil, Connect: s.Connect, Bind: s.Bind,
	}
	if b.Files {
		b.Read = append(b.Read, imagePlaces(cfg)...)
	}
	return b
}

// imagePlaces are the folders that images may come from.
func imagePlaces(cfg *config.Config) (places []string) {
	add := func(files []string) {
		for _, f := range files {
			places = append(places, filepath.Dir(f))
		}
	}
	add(cfg.Filters)
	for i := range cfg.Sites {
		s := &cfg.Sites[i]
		if places = append(places, s.Images.Allow...); len(s.Images.Allow) == 0 {
			places = append(places, s.Root)
			for _, v := range s.VirtualDirectories {
				places = append(places, v.Directory)
			}
		}
		add(s.Filters)
		for _, a := range s.Applications {
			add(a.Filters)
			if a.Directory != "" {
				places = append(places, a.Directory)
			}
			for _, h := range a.Handlers {
				if h.Extension != "" {
					places = append(places, filepath.Dir(h.Extension))
				}
			}
		}
	}
	slices.Sort(places)
	return slices.DeleteFunc(slices.Compact(places), func(p string) bool { return p == "" || !exists(p) })
}
