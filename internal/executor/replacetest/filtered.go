package replacetest

import (
	"log/slog"
	"net/http"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/filter"
)

// filtered is the server around an executor whose image is a filter, too.
type filtered struct {
	host
	ex executor.Replaceable
}

// serve takes a request through the filter and then to the extension.
func (h filtered) serve(w http.ResponseWriter, r *http.Request) executor.Result {
	f, release, err := h.ex.(interface {
		Filter(r *http.Request) (f *filter.Filter, release func(*executor.Result), err error)
	}).Filter(r)
	if err != nil {
		w.Header().Set("Retry-After", "5")
		h.Error(w, r, http.StatusServiceUnavailable, 0)
		return executor.Result{Status: http.StatusServiceUnavailable}
	}
	res := filter.Serve(w, r, nil, []filter.Member{{Filter: f}}, h, nil, slog.New(slog.DiscardHandler))
	release(&res)
	return res
}

// Route leads everything to the extension.
func (h filtered) Route(*http.Request) *executor.Route {
	return &executor.Route{App: &executor.App{}, Target: &executor.Target{ScriptName: "/shop.so", Host: h}, Anonymous: true}
}

// Logon lets nobody in who gives a name.
func (filtered) Logon(_ *http.Request, _ *executor.Route, user, _ string) (*executor.User, bool) {
	return nil, user != ""
}

// Answer runs the extension.
func (h filtered) Answer(w http.ResponseWriter, r *http.Request, rt *executor.Route) executor.Result {
	return h.ex.Execute(w, r, rt.Target)
}
