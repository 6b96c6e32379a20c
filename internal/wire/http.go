package wire

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
)

// Describe fills m with what r says of itself, but for its body and for Raw and TLS.Server, which a request does not know.
func (m *Message) Describe(r *http.Request) {
	*m = Message{
		Method: r.Method, URI: r.RequestURI, Proto: r.Proto, Major: r.ProtoMajor, Minor: r.ProtoMinor,
		Scheme: r.URL.Scheme, URLHost: r.URL.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery,
		ForceQuery: r.URL.ForceQuery, Host: r.Host, Remote: r.RemoteAddr, Length: r.ContentLength, Close: r.Close,
		Chunked: len(r.TransferEncoding) > 0, Header: r.Header,
	}
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		m.Local = a.String()
	}
	if s := r.TLS; s != nil {
		m.TLS = &TLS{
			Version: s.Version, Cipher: s.CipherSuite, ServerName: s.ServerName, Protocol: s.NegotiatedProtocol,
			Verified: len(s.VerifiedChains) > 0,
		}
		for _, c := range s.PeerCertificates {
			m.TLS.Peers = append(m.TLS.Peers, c.Raw)
		}
	}
}

// Request is the request that m describes.
func (m *Message) Request(ctx context.Context, body io.ReadCloser) (*http.Request, error) {
	if m.Local != "" {
		ctx = withLocal{ctx, address(m.Local)}
	}
	r := (&http.Request{
		Method: m.Method, Proto: m.Proto, ProtoMajor: m.Major, ProtoMinor: m.Minor, RequestURI: m.URI,
		URL: &url.URL{
			Scheme: m.Scheme, Host: m.URLHost, Path: m.Path, RawPath: m.RawPath, RawQuery: m.RawQuery, ForceQuery: m.ForceQuery,
		},
		Header: m.Header, Host: m.Host, RemoteAddr: m.Remote, ContentLength: m.Length, Close: m.Close, Body: body,
	}).WithContext(ctx)
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if m.Chunked {
		r.TransferEncoding = []string{"chunked"}
	}
	if m.TLS == nil {
		return r, nil
	}
	s := &tls.ConnectionState{
		HandshakeComplete: true, Version: m.TLS.Version, CipherSuite: m.TLS.Cipher, ServerName: m.TLS.ServerName,
		NegotiatedProtocol: m.TLS.Protocol,
	}
	for _, der := range m.TLS.Peers {
		c, err := certificate(der)
		if err != nil {
			return nil, protocolError("a certificate cannot be parsed")
		}
		s.PeerCertificates = append(s.PeerCertificates, c)
	}
	if m.TLS.Verified {
		s.VerifiedChains = [][]*x509.Certificate{s.PeerCertificates}
	}
	r.TLS = s
	return r, nil
}

// ServerCertificate is the certificate this server presented; nil if there is none.
func (m *Message) ServerCertificate() *x509.Certificate {
	if m.TLS == nil || len(m.TLS.Server) == 0 {
		return nil
	}
	c, err := certificate(m.TLS.Server)
	if err != nil {
		return nil
	}
	return c
}

// certificates are the last ones parsed: a connection has many requests.
var certificates = struct {
	mu sync.Mutex
	m  map[[32]byte]*x509.Certificate
}{m: map[[32]byte]*x509.Certificate{}}

const maxCertificates = 256

func certificate(der []byte) (*x509.Certificate, error) {
	key := sha256.Sum256(der)
	certificates.mu.Lock()
	c := certificates.m[key]
	certificates.mu.Unlock()
	if c != nil {
		return c, nil
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	certificates.mu.Lock()
	defer certificates.mu.Unlock()
	if len(certificates.m) >= maxCertificates {
		clear(certificates.m)
	}
	certificates.m[key] = c
	return c, nil
}

// address is a network address of which only the text is known.
type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

// withLocal is a context that knows the local address, as net/http's do.
type withLocal struct {
	context.Context
	local net.Addr
}

func (c withLocal) Value(key any) any {
	if key == http.LocalAddrContextKey {
		return c.local
	}
	return c.Context.Value(key)
}
