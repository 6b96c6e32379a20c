// Probe is the filter the tests of package filter load: each URL shows one thing.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"

	"github.com/isapid/isapid/sdk/go/filter"
)

func init() {
	filter.Register(filter.Filter{
		Description:    "probe in Go",
		Order:          filter.High,
		PreprocHeaders: preproc,
		URLMap: func(_ *filter.Context, m *filter.URLMap) (filter.Status, error) {
			m.Path += m.URL
			return filter.Handled, nil
		},
		Authentication: func(_ *filter.Context, a *filter.Authentication) (filter.Status, error) {
			a.User, a.Password = "mapped "+a.Password, "other"
			return filter.Next, nil
		},
		AuthComplete: func(_ *filter.Context, a *filter.AuthComplete) (filter.Status, error) {
			a.ResetAuth = true
			return filter.Next, a.Set("url", "/complete")
		},
		AccessDenied: func(c *filter.Context, d *filter.AccessDenied) (filter.Status, error) {
			return c.Respond(http.StatusFound, http.Header{"Location": {"/login"}}, fmt.Append(nil, d.URL, d.Path, d.Reason))
		},
		SendResponse: func(c *filter.Context, h *filter.Headers) (filter.Status, error) {
			kept = c
			return filter.Next, h.Set("status", "204 Nothing")
		},
		SendRawData: func(_ *filter.Context, d *filter.RawData) (filter.Status, error) {
			d.Data = bytes.ReplaceAll(bytes.ToUpper(d.Data), []byte("LONG"), bytes.Repeat([]byte("x"), 100))
			return filter.Next, nil
		},
		Log: func(_ *filter.Context, l *filter.Log) (filter.Status, error) {
			l.Path += " logged"
			l.Status = 299
			return filter.Next, nil
		},
		EndOfRequest: func(*filter.Context) (filter.Status, error) {
			_, err := kept.Variable("SERVER_NAME") // of another notification, that has ended
			if !errors.Is(err, filter.ErrEnded) {
				return filter.Finished, nil
			}
			return filter.Next, nil
		},
		EndOfNetSession: func(c *filter.Context) { _, _ = fmt.Fprintf(c, "bye after %v", c.Value()) },
		Terminate:       func() {},
	})
}

func main() {}

var kept *filter.Context

func preproc(c *filter.Context, h *filter.Headers) (filter.Status, error) {
	n, _ := c.Value().(int)
	c.SetValue(n + 1)
	url, _ := h.Get("url")
	switch url {
	case "/headers":
		long, ok := h.Get("X-Long")
		_, none := h.Get("X-None")
		return filter.Next, errors.Join(h.Set("url", "/new?"+long), h.Add("X-Found:", fmt.Sprint(ok, none)), h.Del("X-Gone"))
	case "/answer":
		name, err := c.Variable("SERVER_NAME")
		if err != nil {
			return filter.Finished, err
		}
		_, err = c.Variable("NONE")
		return c.Respond(http.StatusOK, http.Header{"X-Secure": {fmt.Sprint(c.Secure())}}, []byte(fmt.Sprint(name, errors.Is(err, filter.ErrInvalidIndex))))
	case "/add":
		return filter.Next, errors.Join(c.AddResponseHeader("X-Count", fmt.Sprint(c.Value())), c.AddHeaderOnDenial("X-Denied", "yes"),
			c.Disable(filter.EventLog|filter.EventURLMap))
	case "/denied":
		return filter.Next, fmt.Errorf("not you: %w", filter.ErrAccessDenied)
	case "/error":
		return filter.Next, errors.New("an error of its own")
	case "/panic":
		panic("at the disco")
	}
	return filter.Next, nil
}
