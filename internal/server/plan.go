package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
)

// plan is what requests are answered by: the sites, sorted by address, and the limits. It does not change; [Update.Commit] puts
// another in its place.
type plan struct {
	limits Limits
	places []*places // in the order in which bindings first name their addresses

	inside atomic.Int64  // requests that began with this plan and run
	old    atomic.Bool   // there is another one
	empty  chan struct{} // has an element when the last one left an old plan
}

// places are the sites at one address.
type places struct {
	plan   *plan
	addr   string
	secure bool

	hosts map[string]*place // by host name; "*.example.com" is a name too
	first *place            // the certificate for clients that do not say whom they want
	only  *place            // the one place, if it takes all hosts
}

// newPlan checks sites and reads their certificates.
func newPlan(sites []Site, limits Limits) (*plan, error) {
	p := &plan{limits: limits.WithDefaults(), empty: make(chan struct{}, 1)}
	for i := range sites {
		site := &sites[i]
		if err := checkSite(site); err != nil {
			return nil, err
		}
		for _, b := range site.Bindings {
			addr, err := normalAddr(b.Addr)
			if err != nil {
				return nil, fmt.Errorf("site %q: %w", site.Name, err)
			}
			if err := p.at(addr).add(site, b); err != nil {
				return nil, fmt.Errorf("site %q, binding %q: %w", site.Name, b.Addr, err)
			}
		}
	}
	if len(p.places) == 0 {
		return nil, errors.New("no site has a binding: add one, such as \":8080\"")
	}
	return p, nil
}

// at finds the places at an address or makes them.
func (p *plan) at(addr string) *places {
	if found := p.find(addr); found != nil {
		return found
	}
	made := &places{plan: p, addr: addr, hosts: map[string]*place{}}
	p.places = append(p.places, made)
	return made
}

func (p *plan) find(addr string) *places {
	for _, at := range p.places {
		if at.addr == addr {
			return at
		}
	}
	return nil
}

// leave ends a request that began with the plan.
func (p *plan) leave() {
	if p.inside.Add(-1) == 0 && p.old.Load() {
		select {
		case p.empty <- struct{}{}:
		default:
		}
	}
}

// wait waits until no request runs any more that began with an old plan, or stop ends. Only one may wait.
func (p *plan) wait(stop context.Context) {
	p.old.Store(true)
	for p.inside.Load() > 0 {
		select {
		case <-p.empty:
		case <-stop.Done():
			return
		}
	}
}

// add puts one more binding on the address.
func (at *places) add(site *Site, b Binding) error {
	host := normalHost(b.Host)
	if rest := strings.TrimPrefix(host, "*."); strings.Contains(rest, "*") {
		return fmt.Errorf("host %q: a star may only stand for the first labels, as in \"*.example.com\"", b.Host)
	}
	if other := at.hosts[host]; other != nil {
		return fmt.Errorf("host %q belongs to site %q on this address already", b.Host, other.site.Name)
	}
	if at.first != nil && at.secure != b.TLS {
		return fmt.Errorf("site %q has this address with another setting of TLS: an address is either http or https", at.first.site.Name)
	}
	p := &place{Binding: b, site: site}
	if err := p.loadTLS(); err != nil {
		return err
	}
	at.secure = b.TLS
	at.hosts[host] = p
	if at.first == nil || host == "" {
		at.first = p
	}
	at.only = nil
	if host == "" && len(at.hosts) == 1 {
		at.only = p
	}
	return nil
}

// find returns the place for a Host header or TLS server name: exact, then the closest wildcard, then the one for all;
// nil if there is none.
func (at *places) find(host string) *place {
	if at.only != nil {
		return at.only
	}
	host = normalHost(host)
	if p := at.hosts[host]; p != nil && !strings.HasPrefix(host, "*") {
		return p
	}
	for rest := host; ; {
		_, after, ok := strings.Cut(rest, ".")
		if !ok {
			return at.hosts[""]
		}
		if p := at.hosts["*."+after]; p != nil {
			return p
		}
		rest = after
	}
}
