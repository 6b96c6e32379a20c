package server

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
)

// Binding is one address under which a site can be reached. Several sites share an address by host name.
type Binding struct {
	Addr string // "127.0.0.1:8080", "[::1]:80", ":8443" or "*:8443" (all addresses)

	// Host is the host name without port. "" means all that no other binding of this address has; "*.example.com" all
	// names that end so and that no binding names exactly. Letter case does not matter.
	Host string

	TLS               bool
	CertFile, KeyFile string // PEM; needed with TLS
	NoHTTP2           bool   // clients are offered HTTP/1.1 only

	// ClientAuth says whether a client must identify itself: "" or "none", "request" (a certificate is verified if there is
	// one), "require". CAFile holds in PEM who may have issued it; "" means whom the system trusts.
	ClientAuth string
	CAFile     string
}

// place is a binding together with the site it leads to.
type place struct {
	Binding
	site *Site
	tls  *tls.Config // nil without TLS
	ca   string      // content of CAFile
}

func checkSite(site *Site) error {
	switch {
	case site.Handler == nil:
		return fmt.Errorf("site %q has no handler", site.Name)
	case len(site.Bindings) == 0:
		return fmt.Errorf("site %q has no bindings: add one, such as \":8080\"", site.Name)
	}
	return nil
}

// normalAddr makes equal addresses equal strings.
func normalAddr(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("address %q is not host:port, such as \"127.0.0.1:8080\" or \":8080\"", addr)
	}
	if n, err := net.LookupPort("tcp", port); err != nil || port == "" {
		return "", fmt.Errorf("address %q: port %q is not a number from 0 to 65535", addr, port)
	} else {
		port = fmt.Sprint(n)
	}
	if host == "*" {
		host = ""
	}
	if ip := net.ParseIP(host); ip != nil {
		host = ip.String()
	}
	return net.JoinHostPort(strings.ToLower(host), port), nil
}

// normalHost makes equal host names equal strings: lower case, no port, no final dot.
func normalHost(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i:], ']') < 0 {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
