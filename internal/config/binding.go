package config

import (
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

var hostName = regexp.MustCompile(`^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

// parseBinding reads "http://:8080", "https://192.0.2.1:8443" or "http://shop.example:80". Without a host, or with "*",
// it is every address; an IP address is that address; "localhost" is 127.0.0.1; any other name, also "*.shop.example", is
// every address, for requests that carry this name. The port defaults to 80, with https to 443.
func parseBinding(text string) (Binding, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return Binding{}, errors.New("does not begin with http:// or https://")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return Binding{}, errors.New("has more than a scheme, a host and a port")
	}
	b := Binding{TLS: u.Scheme == "https", Port: 80}
	if b.TLS {
		b.Port = 443
	}
	if p := u.Port(); p != "" {
		if b.Port, err = strconv.Atoi(p); err != nil || b.Port > 65535 {
			return Binding{}, errors.New("has a port that is not 0 to 65535")
		}
	}
	host := strings.ToLower(u.Hostname())
	addr, err := netip.ParseAddr(host)
	switch {
	case err == nil:
		b.Address = addr.String()
	case host == "" || host == "*":
	case host == "localhost":
		b.Address = "127.0.0.1"
	case len(host) <= 253 && hostName.MatchString(host):
		b.Host = host
	default:
		return Binding{}, errors.New("has a host that is neither an IP address nor a name")
	}
	return b, nil
}

// everywhere says whether the binding listens on every address.
func (b Binding) everywhere() bool {
	return b.Address == "" || b.Address == "0.0.0.0" || b.Address == "::"
}

// overlaps says whether two bindings want the same port in ways that exclude each other.
func (b Binding) overlaps(o Binding) bool {
	return b.Port == o.Port && b.Port != 0 && b.Address != o.Address && (b.everywhere() || o.everywhere())
}

func bracketed(address string) string {
	if strings.Contains(address, ":") {
		return "[" + address + "]"
	}
	return address
}
