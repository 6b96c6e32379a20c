package filter

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/isapid/isapid/internal/ansi"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
)

// mapURLs is URL_MAP for the paths that are mapped on the way to whoever answers.
func (q *run) mapURLs() verdict {
	if q.events&isapi.NotifyURLMap == 0 {
		return next
	}
	rt := q.route
	script := executor.MapScript // which of them is the image or script that is run
	for i := range rt.Maps {
		if rt.Maps[i].What == executor.MapDocument {
			script = executor.MapDocument
		}
	}
	for i := range rt.Maps {
		m := &rt.Maps[i]
		path := m.Path
		if len(path) >= pathSize { // it cannot be shown, and systems know no path as long as that
			q.page(http.StatusRequestURITooLong, 0)
			return finished
		}
		if v := q.mapURL(m); v != next {
			return v
		}
		if m.Path == path {
			continue
		}
		m.Changed = true
		switch t := rt.Target; {
		case t == nil:
		case m.What == script:
			t.ScriptTranslated = m.Path
		case m.What == executor.MapPathInfo:
			t.PathTranslated = m.Path
		}
	}
	return next
}

// mapURL is URL_MAP for one path, which filters may change in place. Another pointer in its place means nothing, as with IIS.
func (q *run) mapURL(m *executor.URLMap) verdict {
	offered := ansi.Encode(m.Path)
	if !fits(offered, pathSize) || hasNUL(m.URL) {
		q.errno = isapi.InvalidParameter
		return failed // rather than a path that filters have not seen
	}
	top := q.top
	url, scriptMap, matched := q.text(ansi.Encode(m.URL)), uintptr(0), ansi.Encode(m.Matched())
	if m.ScriptMap != "" {
		scriptMap = q.text(ansi.Encode(m.ScriptMap))
	}
	at := q.base + atMap
	v := q.notify(isapi.NotifyURLMap, at, func() int {
		native.Write(at, isapi.FilterURLMapEx{
			URL: url, Path: q.offer(atPath, pathSize, offered), PathSize: pathSize,
			Flags: m.Flags, MatchingPath: uint32(len(matched)), MatchingURL: uint32(m.MatchedURL), ScriptMap: scriptMap,
		})
		return alone
	}, func() error {
		path, err := q.taken(atPath, pathSize)
		if err == nil && string(path) != offered {
			offered = string(path)
			m.Path = ansi.Decode(offered)
			m.MatchedPath = min(m.MatchedPath, len(m.Path))
			matched = matched[:min(len(matched), len(offered))]
		}
		return err
	})
	q.top = top
	return v
}

// mapper is the host of an extension that answers: what it asks to be mapped is told to the filters.
type mapper run

// Map implements [executor.Host].
func (x *mapper) Map(urlPath string) (executor.Mapping, error) {
	q := (*run)(x)
	m, err := q.h.Map(urlPath)
	if err != nil || q.events&isapi.NotifyURLMap == 0 {
		return m, err
	}
	q.order.Lock()
	defer q.order.Unlock()
	u := executor.URLMap{URL: urlPath, Mapping: m}
	switch v := q.mapURL(&u); v {
	case next:
		return u.Mapping, nil
	case faulted:
		q.head.fail(http.StatusInternalServerError)
		return m, q.faultErr
	case failed:
		return m, fmt.Errorf("a filter does not let %q be mapped: %w", urlPath, q.errno)
	default:
		return m, errFinished
	}
}

var errFinished = errors.New("a filter has ended the request")

// Exec implements [executor.Host].
func (x *mapper) Exec(w http.ResponseWriter, r *http.Request, skipCurrent bool) {
	x.h.Exec(w, r, skipCurrent)
}

// Error implements [executor.Host].
func (x *mapper) Error(w http.ResponseWriter, r *http.Request, status, substatus int) {
	x.h.Error(w, r, status, substatus)
}
