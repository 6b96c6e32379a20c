package front

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/site"
)

// accepted puts the filters of all sites between a new connection and the HTTP server, if one of them wants to see bytes. Where a request
// runs that has filters, its own see them; elsewhere, as between two requests, those of all sites do.
func (f *Front) accepted(c *conn.Conn, secure bool) {
	s := f.setup.Load()
	if len(s.globals) == 0 {
		return
	}
	port := uint32(isapi.NotifyNonsecurePort)
	if secure {
		port = isapi.NotifySecurePort
	}
	var wanted uint32
	for _, k := range s.globals {
		if flags, ok := f.raw.Load(k); ok && flags.(uint32)&port != 0 {
			wanted |= flags.(uint32)
		}
	}
	if wanted == 0 {
		return
	}
	k := &connection{Connection: filter.NewConnection(secure)}
	k.showBytes(f)
	c.Keep(connectionKey{}, func(*conn.Conn) conn.Kept { return k })
	var receiver conn.Receiver
	var sender conn.Sender
	if wanted&isapi.NotifyReadRawData != 0 {
		receiver = k.raw
	}
	if wanted&isapi.NotifySendRawData != 0 {
		sender = k.raw
	}
	c.Filter(receiver, sender)
}

// showBytes has the filters of all sites see the bytes of the connection, where a request has none of its own.
func (k *connection) showBytes(f *Front) {
	at := (&http.Request{URL: &url.URL{}}).WithContext(context.WithValue(context.Background(), connectionKey{}, k))
	k.raw = filter.NewRaw(k.Connection, func() ([]filter.Member, func()) {
		p := beginPassage(at, time.Now())
		for _, k := range f.setup.Load().globals {
			if e, err := f.cache.find(k); err == nil {
				if by, ok := filterOf(e); ok {
					_ = p.take(&member{by, true}) // without it, as if it were not configured
				}
			}
		}
		return p.members, func() { p.end(nil) }
	})
}

// showBytes has the filters of a request see what is received and sent until end.
func (f *Front) showBytes(k *connection, r *http.Request, members []filter.Member) (end func()) {
	var wanted uint32
	for _, m := range members {
		if m.Filter.Wants(filter.RawEvents, r.TLS != nil) {
			wanted |= m.Filter.Flags()
		}
	}
	if k.raw == nil {
		if wanted&isapi.NotifySendRawData == 0 {
			return func() {}
		}
		k.showBytes(f)
	}
	if wanted&isapi.NotifySendRawData != 0 {
		conn.From(r.Context()).SendThrough(k.raw)
	}
	return k.raw.Begin(members)
}

// optionsInside are those of an image in this process.
func (f *Front) optionsInside(s *setup, k key, p *config.Pool) executor.Options {
	o := f.optionsHere(k, p)
	o.Filter = k.filter
	o.Faulted = func(fault error) { f.buryFault(k, fault, afterFault(o.OnFault)) }
	o.Registers = func(flags uint32) error {
		in := s
		if s.old.Load() {
			in = f.setup.Load() // another version, after a reload
		}
		if err := in.refuseRaw(k, flags); err != nil {
			return err
		}
		if flags&filter.RawEvents != 0 {
			f.raw.Store(k, flags)
		}
		return nil
	}
	return o
}

// checkRaw looks at filters that are loaded already: whether they can have the bytes they want with the sites of s, too.
func (f *Front) checkRaw(s *setup) (errs []error) {
	for _, k := range s.fixed() {
		flags, wants := f.raw.Load(k)
		if !wants {
			continue
		}
		if err := s.refuseRaw(k, flags.(uint32)); err != nil {
			errs = append(errs, &LoadError{k.image, k.group.name, fmt.Errorf("filter %q: %w", k.image, err)})
		}
	}
	return errs
}

// refuseRaw is why a filter cannot see the bytes it asks for, and what to do: where connections do not have them, or are not its own.
func (s *setup) refuseRaw(k key, flags uint32) error {
	if flags&filter.RawEvents == 0 || !k.filter || !k.inside.here {
		return nil
	}
	asks := "it asks for " + isapi.Notification(flags&filter.RawEvents).String()
	global := slices.Contains(s.cfg.Filters, k.image)
	if flags&isapi.NotifyReadRawData != 0 && !global {
		return fmt.Errorf("%s, but bytes are read before it is known which site they are for: list it in \"filters\" at the top level", asks)
	}
	if pools := s.poolsOf(k.image); global && len(pools) > 1 {
		return fmt.Errorf("%s, but a connection has one filter, and this one is in the pools %s: have all applications use one pool", asks, strings.Join(pools, " and "))
	}
	if flags&isapi.NotifySecurePort == 0 {
		return nil
	}
	for _, c := range s.sitesOf(k) {
		if c.HTTP2 && slices.ContainsFunc(c.Bindings, func(b config.Binding) bool { return b.TLS }) {
			return fmt.Errorf("%s, but site %q speaks HTTP/2, where requests have no bytes of their own: write \"http2: false\" there, or have the filter register for SF_NOTIFY_NONSECURE_PORT only", asks, c.Name)
		}
	}
	return nil
}

// poolsOf are the pools in which an image is a filter.
func (s *setup) poolsOf(image string) (names []string) {
	s.eachFilter(func(i string, app *executor.App) {
		if i == image && !slices.Contains(names, app.Pool) {
			names = append(names, app.Pool)
		}
	})
	return names
}

// sitesOf are the sites whose connections a filter may see: its own, and those at the same addresses.
func (s *setup) sitesOf(k key) (list []*config.Site) {
	own := map[string]bool{}
	s.eachApplication(func(_ *site.Site, app *executor.App, c *config.Application) {
		in := s.siteOf(app)
		if slices.ContainsFunc(site.FiltersOf(s.cfg, in, c), func(r executor.FilterRef) bool { return r.Image == k.image }) {
			for _, b := range in.Bindings {
				own[address(b)] = true
			}
		}
	})
	for i := range s.cfg.Sites {
		c := &s.cfg.Sites[i]
		if slices.ContainsFunc(c.Bindings, func(b config.Binding) bool { return own[address(b)] }) {
			list = append(list, c)
		}
	}
	return list
}
