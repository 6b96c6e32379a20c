package site

import (
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
)

// Chains finds the filters in front of an application, loading them if need be. It is called for every request to an
// application that has filters, from many goroutines, until it answers a chain of this process, which is kept as long as the site is; the
// chain stays its property. filters is the same slice each time and must not be changed. An error becomes a 500 for the client and, at most once a minute for each application, a line in the log.
type Chains func(app *executor.App, filters []executor.FilterRef) (executor.Chain, error)

// chainOf is the chain in front of an application.
func (s *Site) chainOf(app *application) (executor.Chain, error) {
	if kept := app.chain.Load(); kept != nil {
		return *kept, nil
	}
	chain, err := s.chains(app.app, app.filters)
	if err == nil && chain.Inside() {
		app.chain.Store(&chain)
	}
	return chain, err
}

// FiltersOf lists the filters of an application in the order of configuration: those of all sites, of its site, its own. nil if it
// has none.
func FiltersOf(c *config.Config, s *config.Site, a *config.Application) (list []executor.FilterRef) {
	for _, image := range c.Filters {
		list = append(list, executor.FilterRef{Image: image, Global: true})
	}
	for _, images := range [][]string{s.Filters, a.Filters} {
		for _, image := range images {
			list = append(list, executor.FilterRef{Image: image})
		}
	}
	return list
}
