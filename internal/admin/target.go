package admin

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// Target is where a client finds its server: at a socket, or at a URL.
type Target struct {
	Socket string
	Named  bool // the user has named the socket: it may be one that another user has put there for others

	URL   string // https://HOST:PORT
	Token string // to show there
	CA    string // PEM file with the certificates that the server's may be signed by; "": those of the system
}

func (t *Target) place() string {
	if t.URL != "" {
		return t.URL
	}
	return t.Socket
}

// Connect makes a client. The caller must call Close. An error means that the target cannot be used; nothing is sent yet.
func Connect(t Target) (*Client, error) {
	if t.URL == "" {
		return newClient(t, nil), nil
	}
	u, err := url.Parse(t.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the URL of the server cannot be read: %w", err)
	case u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%q is not the URL of a server: write it like https://shop.example:9443; a token travels with TLS only", t.URL)
	case t.Token == "":
		return nil, errors.New("over TCP a server wants a token: name its file with --token-file")
	}
	t.URL = strings.TrimRight(t.URL, "/")
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate in it, in PEM", t.CA)
		}
	}
	return newClient(t, conf), nil
}

// tlsHint is what can be done when the two cannot agree on TLS.
func tlsHint(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "\n--ca FILE names the certificate that signed the server's, or the server's own if nobody else has"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "\nwhat listens there speaks no TLS: is it a site?"
	}
	return ""
}
