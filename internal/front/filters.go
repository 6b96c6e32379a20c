package front

import (
	"slices"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/site"
)

// asFilter is an image that is a filter of some application in a group.
type asFilter struct{ image, group string }

// findFilters notes which images are filters. What else an image is in the same group, it is in the same loading of it.
func (s *setup) findFilters() {
	s.filters = map[asFilter]bool{}
	s.eachFilter(func(image string, app *executor.App) {
		s.filters[asFilter{image, groupOf(s.cfg, image, app).name}] = true
	})
	s.eachFilter(func(image string, app *executor.App) {
		if k := s.key(image, app); k.inside.here && slices.Contains(s.cfg.Filters, image) && !slices.Contains(s.globals, k) {
			s.globals = append(s.globals, k)
		}
	})
}

// eachFilter calls f with each filter of each application: those of all sites first, then those of sites, then their own.
func (s *setup) eachFilter(f func(image string, app *executor.App)) {
	for _, images := range []func(in *config.Site, c *config.Application) []string{
		func(*config.Site, *config.Application) []string { return s.cfg.Filters },
		func(in *config.Site, _ *config.Application) []string { return in.Filters },
		func(_ *config.Site, c *config.Application) []string { return c.Filters },
	} {
		s.eachApplication(func(_ *site.Site, app *executor.App, c *config.Application) {
			for _, image := range images(s.siteOf(app), c) {
				f(image, app)
			}
		})
	}
}

// siteOf is the site of an application.
func (s *setup) siteOf(app *executor.App) *config.Site {
	for i := range s.cfg.Sites {
		if s.cfg.Sites[i].Name == app.SiteName {
			return &s.cfg.Sites[i]
		}
	}
	return nil
}
