package isapid

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/isapid/isapid/internal/executor"
)

// maxDepth bounds child requests that make child requests.
const maxDepth = 10

// host is the server around an extension, as far as somebody else's net/http server has one: a document root, a handler
// for child requests and plain error pages.
type host struct {
	root string
	self *Extension
	next http.Handler // nil: children come back to self
}

// application is what the APPL_*, APP_POOL_* and INSTANCE_* variables tell of an extension that has no site.
func (h *host) application(image, mount string) *executor.App {
	at := mount
	if at == "" {
		at = "/"
	}
	return &executor.App{
		SiteID: 1, SiteName: filepath.Base(image), DocumentRoot: h.root,
		Path: at, PhysicalPath: h.physical(mount), Pool: "in-process",
	}
}

// physical is where a decoded virtual path lies below the document root, with its trailing slash if it has one.
func (h *host) physical(urlPath string) string {
	clean := resolve(urlPath)
	p := filepath.Join(h.root, filepath.FromSlash(clean))
	if strings.HasSuffix(clean, "/") && !strings.HasSuffix(p, string(filepath.Separator)) {
		p += string(filepath.Separator)
	}
	return p
}

func (h *host) Map(urlPath string) (executor.Mapping, error) {
	if strings.ContainsRune(urlPath, 0) {
		return executor.Mapping{}, fmt.Errorf("map %q: a path cannot hold a NUL byte", urlPath)
	}
	return executor.Mapping{Path: h.physical(urlPath), MatchedPath: len(strings.TrimRight(h.root, `/\`))}, nil
}

// child is what a child request carries in its context.
type child struct {
	depth int
	skip  *Extension // not to be run for this request; nil: none
}

type childKey struct{}

func (h *host) Exec(w http.ResponseWriter, r *http.Request, skipCurrent bool) {
	parent, _ := r.Context().Value(childKey{}).(child)
	c := child{depth: parent.depth + 1}
	if c.depth > maxDepth {
		h.Error(w, r, http.StatusInternalServerError, 0)
		return
	}
	if skipCurrent {
		c.skip = h.self
	}
	next := h.next
	if next == nil {
		next = h.self
	}
	next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), childKey{}, c)))
}

func (h *host) skipped(r *http.Request) bool {
	c, _ := r.Context().Value(childKey{}).(child)
	return c.skip == h.self
}

func (h *host) Error(w http.ResponseWriter, r *http.Request, status, substatus int) {
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	if substatus != 0 {
		text = fmt.Sprintf("%d.%d %s", status, substatus, http.StatusText(status))
	}
	http.Error(w, text, status)
}
