package trace

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/isapid/isapid/internal/isapi"
)

// MostBody is the most of a body that an event has, in bytes.
const MostBody = 16 << 10

// Check says what of the filter cannot be read; nil if all can.
func (f *Filter) Check() error {
	_, err := compile(Subscription{Filter: *f})
	return err
}

// compiled is a subscription in the form that is looked at for each request and call. Nothing here allocates.
type compiled struct {
	id     uint32
	f      Filter
	client netip.Prefix // if f.Client is set
	calls  []FuncCode   // if f.Calls is set
	part   uint64       // of 2^64, with f.Sample
}

// anyCode in calls means the function whatever its code.
const anyCode = math.MaxUint32

func compile(s Subscription) (*compiled, error) {
	c := &compiled{id: s.ID, f: s.Filter}
	f := &c.f
	if f.Client != "" {
		var err error
		if c.client, err = parseNetwork(f.Client); err != nil {
			return nil, err
		}
	}
	if math.IsNaN(f.Sample) || f.Sample < 0 || f.Sample > 1 {
		return nil, fmt.Errorf("the part of requests to be seen is %v, but must be from 0 to 1", f.Sample)
	}
	if f.Sample > 0 && f.Sample < 1 {
		c.part = uint64(f.Sample * (1 << 63) * 2)
	}
	if f.Slower < 0 {
		return nil, fmt.Errorf("calls cannot be slower than %v", f.Slower)
	}
	if f.Body < 0 || f.Body > MostBody {
		return nil, fmt.Errorf("%d bytes of each body cannot be shown: from 0 to %d", f.Body, MostBody)
	}
	for _, name := range f.Calls {
		found := callsNamed(name)
		if found == nil {
			return nil, fmt.Errorf("there is no call %q", isapi.Clip(name))
		}
		c.calls = append(c.calls, found...)
	}
	return c, nil
}

func parseNetwork(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no address and no network as 10.0.0.0/8", isapi.Clip(s))
	}
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// callsNamed are the calls that a name means: one of [Name], in any case, perhaps without the prefix of a code or with the name of the
// function alone.
func callsNamed(name string) (list []FuncCode) {
	is := func(full string, prefixes ...string) bool {
		if strings.EqualFold(full, name) {
			return true
		}
		for _, p := range prefixes {
			if short, ok := strings.CutPrefix(full, p); ok && strings.EqualFold(short, name) {
				return true
			}
		}
		return false
	}
	for f := range funcNames {
		if is(f.String()) {
			list = append(list, FuncCode{f, anyCode})
		}
	}
	for _, c := range isapi.Codes() {
		if is(c.String(), "HSE_REQ_", "HSE_") {
			list = append(list, FuncCode{ServerSupportFunction, uint32(c)})
		}
	}
	for _, c := range isapi.SFReqs() {
		if is(c.String(), "SF_REQ_", "HSE_REQ_") {
			list = append(list, FuncCode{FilterServerSupportFunction, uint32(c)})
		}
	}
	for bit := uint32(1); bit != 0; bit <<= 1 {
		if bit&isapi.NotifyEvents != 0 && is(isapi.Notification(bit).String(), "SF_NOTIFY_") {
			list = append(list, FuncCode{HttpFilterProc, bit})
		}
	}
	slices.SortFunc(list, func(a, b FuncCode) int { return int(a.Func) - int(b.Func) })
	return list
}

// request tells whether a request, or what happens to an image outside of any (a.Request is 0), may have events that somebody wants. The
// cheapest questions come first.
func (c *compiled) request(a *About) bool {
	f := &c.f
	switch {
	case f.Request != 0 && f.Request != a.Request,
		c.part != 0 && a.Request != 0 && mix(a.Request) >= c.part,
		f.Image != "" && a.Image != "" && !(&Image{Path: a.Image}).is(f.Image),
		f.Pool != "" && a.Pool != "" && f.Pool != a.Pool,
		f.Site != "" && f.Site != a.Site,
		f.App != "" && f.App != a.App,
		f.URL != "" && !glob(f.URL, a.URL),
		f.Client != "" && !c.fromClient(a.Client):
		return false
	}
	return true
}

// call tells whether somebody wants a call, as far as can be said before it.
func (c *compiled) call(i *Image, f Func, code uint32) bool {
	switch {
	case c.f.Image != "" && !i.is(c.f.Image),
		c.f.Pool != "" && i.Pool != "" && c.f.Pool != i.Pool:
		return false
	case c.calls == nil:
		return true
	}
	for _, one := range c.calls {
		if one.Func == f && (one.Code == code || one.Code == anyCode) {
			return true
		}
	}
	return false
}

// later tells whether only the end of a call says if it is wanted.
func (c *compiled) later() bool { return c.f.Errors || c.f.Slower > 0 }

// fromClient tells whether an address, perhaps with a port, is in the network.
func (c *compiled) fromClient(client string) bool {
	host := client
	if i := strings.LastIndexByte(client, ':'); i > 0 && (client[0] == '[' || strings.IndexByte(client, ':') == i) {
		host = strings.TrimSuffix(strings.TrimPrefix(client[:i], "["), "]")
	}
	a, err := netip.ParseAddr(host)
	return err == nil && c.client.Contains(a.Unmap().WithZone(""))
}

// glob tells whether s is what a pattern says, in which * stands for anything.
func glob(pattern, s string) bool {
	star, back := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, back = p, i
			p++
		case p < len(pattern) && pattern[p] == s[i]:
			p++
			i++
		case star >= 0:
			back++
			p, i = star+1, back
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// mix makes of the number of a request one that looks like chance, the same in all processes.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
