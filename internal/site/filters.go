package site

import (
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
)

// Chains finds the filters in front of an application, loading them if need be. It is called for every request to an
// application that has filters, from many goroutines; the chain stays its property. filters is the same slice each time and must not be
// changed. An error becomes a 500 for the client and, at most once a minute for each application, a line in the log.
type Chains func(app *executor.App, filters []executor.FilterRef) (executor.Chain, error)

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
