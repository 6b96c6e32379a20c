package filter

import (
	"net/http"

	"github.com/isapid/isapid/internal/ansi"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
)

func isDenial(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// accessDenied is ACCESS_DENIED, before a 401 or a 403 is sent, whoever made it.
func (q *run) accessDenied(own bool) verdict {
	if q.events&isapi.NotifyAccessDenied == 0 {
		return next
	}
	top := q.top
	info := isapi.FilterAccessDenied{URL: q.text(q.url()), Path: q.text(ansi.Encode(q.physical())), Reason: q.denier(own)}
	at := q.base + atDenied
	v := q.notify(isapi.NotifyAccessDenied, at, func() int { return put(at, info) }, nil)
	q.top = top
	return v
}

// denier is SF_DENIED_*: who denies access.
func (q *run) denier(own bool) uint32 {
	switch {
	case own:
		return isapi.DeniedFilter
	case q.head.reason != 0:
		return q.head.reason
	case q.route != nil && q.route.Image != "":
		return isapi.DeniedApplication
	}
	return isapi.DeniedResource
}

// physical is the path that the URL of the request was mapped to; "" if it was not.
func (q *run) physical() string {
	if q.route == nil {
		return ""
	}
	path := ""
	for i := range q.route.Maps {
		if m := &q.route.Maps[i]; m.What != executor.MapPathInfo || path == "" {
			path = m.Path
		}
	}
	return path
}
