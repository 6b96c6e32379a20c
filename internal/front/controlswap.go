package front

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/swap"
)

var errNoSwaps = errors.New("this build of isapid does not replace images under load")

// Images implements [admin.Server].
func (c *Control) Images() []admin.Image {
	users := map[string][]string{}
	for _, e := range c.front.Extensions() {
		users[e.Image] = nil // a URL may have named it
	}
	for _, r := range c.front.Routes() {
		app := r.Site + "/" + strings.TrimPrefix(r.Application, "/")
		if r.Image != "" && !slices.Contains(users[r.Image], app) {
			users[r.Image] = append(users[r.Image], app)
		}
	}
	var list []admin.Image
	for path, apps := range users {
		list = append(list, admin.Image{Path: path, Applications: apps})
	}
	slices.SortFunc(list, func(a, b admin.Image) int { return cmp.Compare(a.Path, b.Path) })
	return list
}

// Deploy implements [admin.Server].
func (c *Control) Deploy(context.Context, string, string, bool, string, func(swap.Step)) (swap.Receipt, error) {
	return swap.Receipt{}, errNoSwaps
}

// Rollback implements [admin.Server].
func (c *Control) Rollback(context.Context, string, string, string, bool, func(swap.Step)) (swap.Receipt, error) {
	return swap.Receipt{}, errNoSwaps
}

// History implements [admin.Server].
func (c *Control) History(string) ([]swap.Receipt, error) { return nil, nil }
