package worker

import (
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/winpath"
	"github.com/isapid/isapid/internal/wire"
)

// paths translates between the paths of the front and those of this process, which are others when this is a Windows program and the
// front is none. All that comes from the front has its paths translated where it comes in, all that goes there where it leaves: nothing
// in between knows of it.
type paths struct{ unix bool }

// own is what a path of the front's is here.
func (p paths) own(path string) string {
	if !p.unix {
		return path
	}
	return winpath.FromUnix(path)
}

// front is what a path of this process is to the front. It fails for one that the front cannot have.
func (p paths) front(path string) (string, error) {
	if !p.unix {
		return path, nil
	}
	return winpath.ToUnix(path)
}

// mapping translates a mapping in place.
func (p paths) mapping(m *executor.Mapping) {
	if p.unix {
		m.MatchedPath = len(p.own(m.Path[:min(max(m.MatchedPath, 0), len(m.Path))]))
		m.Path = p.own(m.Path)
		m.MatchedPath = min(m.MatchedPath, len(m.Path))
	}
}

// target translates a target in place. Its application may be somebody else's: that is copied.
func (p paths) target(t *executor.Target) {
	if t == nil || !p.unix {
		return
	}
	t.PathTranslated, t.ScriptTranslated = p.own(t.PathTranslated), p.own(t.ScriptTranslated)
	t.App = p.app(t.App)
}

func (p paths) app(a *executor.App) *executor.App {
	if a == nil || !p.unix {
		return a
	}
	own := *a
	own.DocumentRoot, own.PhysicalPath = p.own(a.DocumentRoot), p.own(a.PhysicalPath)
	return &own
}

// route translates a route in place, but for its image: that is a name, by which front and worker know it.
func (p paths) route(r *executor.Route) {
	if r == nil || !p.unix {
		return
	}
	r.App = p.app(r.App)
	p.target(r.Target)
	for i := range r.Maps {
		m := &r.Maps[i]
		p.mapping(&m.Mapping)
		if extension, image, ok := strings.Cut(m.ScriptMap, ","); ok {
			m.ScriptMap = extension + "," + p.own(image)
		}
	}
}

// changed are the changes of filters in a route, as the front is told.
func (p paths) changed(rt *executor.Route) (list []wire.Path, err error) {
	for n, m := range rt.Maps {
		if !m.Changed {
			continue
		}
		path, err := p.front(m.Path)
		if err != nil {
			return nil, err
		}
		list = append(list, wire.Path{Map: n, Path: path})
	}
	return list, nil
}

// shown is a text as somebody reads it who knows the front's paths: if it is a path of this process, it is the front's.
func (p paths) shown(text string) string {
	if p.unix && len(text) > 2 && text[1] == ':' {
		if path, err := p.front(text); err == nil {
			return path
		}
	}
	return text
}

// shownAttrs are attributes of a line of the log, likewise.
func (p paths) shownAttrs(list []slog.Attr) []slog.Attr {
	if !p.unix {
		return list
	}
	list = slices.Clone(list) // some are those of other lines, too
	for n, a := range list {
		if a.Value.Kind() == slog.KindString {
			list[n].Value = slog.StringValue(p.shown(a.Value.String()))
		}
	}
	return list
}

// told is an error about some paths of the front's, as that is told.
func (p paths) told(err error, about ...string) error {
	if err == nil || !p.unix {
		return err
	}
	text := err.Error()
	for _, path := range about {
		if path == "" {
			continue
		}
		own := p.own(path)
		text = strings.ReplaceAll(text, own, path)
		text = strings.ReplaceAll(text, strings.Trim(strconv.Quote(own), `"`), path)
	}
	return errors.New(text)
}
