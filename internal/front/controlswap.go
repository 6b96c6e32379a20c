package front

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/swap"
)

// Images implements [admin.Server].
func (c *Control) Images() []admin.Image {
	images := map[string]*admin.Image{}
	for _, e := range c.front.Extensions() {
		images[e.Image] = &admin.Image{Path: e.Image} // a URL may have named it
	}
	for _, r := range c.front.Routes() {
		if r.Image == "" {
			continue
		}
		i := images[r.Image]
		if i == nil {
			i = &admin.Image{Path: r.Image}
			images[r.Image] = i
		}
		users := &i.Applications
		if r.Handler == "filter" {
			users = &i.FilterOf
		}
		if app := r.Site + "/" + strings.TrimPrefix(r.Application, "/"); !slices.Contains(*users, app) {
			*users = append(*users, app)
		}
	}
	var list []admin.Image
	for _, i := range images {
		list = append(list, *i)
	}
	slices.SortFunc(list, func(a, b admin.Image) int { return cmp.Compare(a.Path, b.Path) })
	return list
}

// Deploy implements [admin.Server].
func (c *Control) Deploy(ctx context.Context, image, who string, wait bool, file string, step func(swap.Step)) (swap.Receipt, error) {
	i, err := c.front.images.Find(image)
	if err != nil {
		return swap.Receipt{}, swapError(image, err)
	}
	r, err := i.Deploy(ctx, file, who, wait, step)
	return r, swapError(image, err)
}

// Rollback implements [admin.Server].
func (c *Control) Rollback(ctx context.Context, image, to, who string, wait bool, step func(swap.Step)) (swap.Receipt, error) {
	number, hash, err := admin.ParseVersion(to)
	if err != nil {
		return swap.Receipt{}, err
	}
	i, err := c.front.images.Find(image)
	if err != nil {
		return swap.Receipt{}, swapError(image, err)
	}
	r, err := i.Rollback(ctx, swap.Which{Number: number, Hash: hash}, who, wait, step)
	return r, swapError(image, err)
}

// History implements [admin.Server].
func (c *Control) History(image string) ([]swap.Receipt, error) {
	i, err := c.front.images.Find(image)
	if err != nil {
		return nil, swapError(image, err)
	}
	return i.History()
}

// swapError says an error of package swap in the words of package admin.
func swapError(image string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, swap.ErrNoImage):
		return fmt.Errorf("%s is not loaded: %w", image, admin.ErrNoImage)
	case errors.Is(err, swap.ErrClosed):
		return admin.ErrEnding
	}
	return err
}
