package front

import (
	"fmt"
	"net"
	"strconv"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/server"
)

// bindings says in the server's words where a site can be reached.
func bindings(s *config.Site) []server.Binding {
	var list []server.Binding
	for _, b := range s.Bindings {
		if !b.TLS {
			list = append(list, server.Binding{Addr: address(b), Host: b.Host})
			continue
		}
		list = append(list, server.Binding{
			Addr: address(b), Host: b.Host, TLS: true, CertFile: s.Certificate, KeyFile: s.Key, NoHTTP2: !s.HTTP2,
			ClientAuth: string(s.ClientCertificates), CAFile: s.ClientCA,
		})
	}
	return list
}

func address(b config.Binding) string { return net.JoinHostPort(b.Address, strconv.Itoa(b.Port)) }

// limits are those of connections. Those of requests (body, URL, query, how many at a time) may differ from site to site; each
// site keeps its own.
func limits(l config.Limits) server.Limits {
	return server.Limits{
		Header:        l.Header,
		HeaderTimeout: noneIsNegative(l.HeaderTimeout),
		BodyTimeout:   noneIsNegative(l.BodyTimeout),
		IdleTimeout:   noneIsNegative(l.IdleTimeout),
		WriteTimeout:  noneIsNegative(l.WriteTimeout),
		Body:          -1,
		Concurrent:    -1,
		URL:           -1,
		Query:         -1,
	}
}

// URLs are those under which the sites can be reached, in the order of the configuration. They are known after Start.
func (f *Front) URLs() []string {
	f.inForce.Lock()
	cfg, listening := f.setup.Load().cfg, f.server.Addrs()
	f.inForce.Unlock()
	ports := portsOf(cfg, listening)
	var urls []string
	for _, s := range cfg.Sites {
		for _, b := range s.Bindings {
			scheme, host := "http", b.Host
			if b.TLS {
				scheme = "https"
			}
			if host == "" {
				host = b.Address
			}
			if host == "" {
				host = "localhost"
			}
			urls = append(urls, fmt.Sprintf("%s://%s/", scheme, net.JoinHostPort(host, ports[address(b)])))
		}
	}
	return urls
}

// portsOf finds the port that is listened on for each address of the configuration; they differ for port 0. The server lists its
// listeners in the order in which bindings first name an address.
func portsOf(cfg *config.Config, listening []net.Addr) map[string]string {
	found := map[string]string{}
	for _, s := range cfg.Sites {
		for _, b := range s.Bindings {
			a := address(b)
			if _, ok := found[a]; ok || len(listening) == 0 {
				continue
			}
			_, found[a], _ = net.SplitHostPort(listening[0].String())
			listening = listening[1:]
		}
	}
	return found
}
