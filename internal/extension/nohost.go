package extension

import (
	"errors"
	"net/http"

	"github.com/isapid/isapid/internal/executor"
)

// noHost is the [executor.Host] of a target that has none: plain pages, and no URL space around the extension.
type noHost struct{}

var errNoHost = errors.New("there is no server around this extension that maps URLs")

func (noHost) Map(string) (executor.Mapping, error) { return executor.Mapping{}, errNoHost }

func (noHost) Exec(w http.ResponseWriter, r *http.Request, _ bool) { http.NotFound(w, r) }

func (noHost) Error(w http.ResponseWriter, _ *http.Request, status, _ int) {
	http.Error(w, http.StatusText(status), status)
}
