package filter

import (
	"log/slog"
	"net/http"

	"github.com/isapid/isapid/internal/executor"
)

// Member is a filter of a chain.
type Member struct {
	Filter *Filter
	Global bool // of all sites: before those of the site
}

// Serve answers r through the filters of chain, which is in configured order. c is the connection it came on; nil: one of its own,
// which ends with it. client may be nil: then it is the [conn.Conn] of the request, if there is one.
//
// It never panics because of what a filter did. The Result is that of whoever answered, with what filters made of it; if it is
// Broken, the caller must break the response off.
//
// Route and Answer of h may be called on other requests than r, copies of it in which filters have changed something. The Target of
// the route given to Answer, if there is one, has Host and Client set: they are to be used for the request.
func Serve(w http.ResponseWriter, r *http.Request, c *Connection, chain []Member, h executor.FilterHost, client executor.Client, log *slog.Logger) executor.Result {
	return h.Answer(w, r, h.Route(r))
}

type logon struct{}
type run struct{}
