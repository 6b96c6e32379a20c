package server

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"os"

	"github.com/isapid/isapid/internal/conn"
)

// loadTLS reads the binding's files. Without TLS it only refuses what would be ignored.
func (p *place) loadTLS() error {
	if !p.TLS {
		if p.CertFile != "" || p.KeyFile != "" || p.CAFile != "" || p.ClientAuth != "" {
			return fmt.Errorf("certificates are set, but the binding is not https")
		}
		return nil
	}
	if p.CertFile == "" || p.KeyFile == "" {
		return fmt.Errorf("https needs a certificate file and a key file")
	}
	cert, err := loadCertificate(p.CertFile, p.KeyFile)
	if err != nil {
		return err
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	}
	if p.NoHTTP2 {
		config.NextProtos = config.NextProtos[1:]
	}
	if err := p.setClientAuth(config); err != nil {
		return err
	}
	p.tls = config
	return nil
}

func loadCertificate(certFile, keyFile string) (tls.Certificate, error) {
	certPEM, err := os.ReadFile(certFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read certificate: %w", err)
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read key: %w", err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate %q and key %q cannot be used together: %w", certFile, keyFile, err)
	}
	return cert, nil
}

func (p *place) setClientAuth(config *tls.Config) error {
	switch p.ClientAuth {
	case "", "none":
		if p.CAFile != "" {
			return fmt.Errorf("a CA file is set, but client certificates are not asked for: set client authentication to \"request\" or \"require\"")
		}
		return nil
	case "request":
		config.ClientAuth = tls.VerifyClientCertIfGiven
	case "require":
		config.ClientAuth = tls.RequireAndVerifyClientCert
	default:
		return fmt.Errorf("client authentication %q is none of \"none\", \"request\", \"require\"", p.ClientAuth)
	}
	config.SessionTicketsDisabled = true // a session must not carry an identity from one binding to another
	if p.CAFile == "" {
		return nil
	}
	pem, err := os.ReadFile(p.CAFile)
	if err != nil {
		return fmt.Errorf("read CA file: %w", err)
	}
	p.ca = string(pem)
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("CA file %q holds no certificate in PEM", p.CAFile)
	}
	return nil
}

// asksClient tells whether the place wants client certificates.
func (p *place) asksClient() bool { return p.tls != nil && p.tls.ClientAuth != tls.NoClientCert }

// presented returns the place whose certificate a client that asked for name gets.
func (at *places) presented(name string) *place {
	if p := at.find(name); p != nil {
		return p
	}
	return at.first
}

// sameClients says whether a connection that was made when old held may go on where at does. One that carries the identity of
// a client must not, if anything has changed about whom the address asks for it.
func (at *places) sameClients(old *places) bool {
	a, b := at.clients(), old.clients()
	return len(a) == 0 && len(b) == 0 || maps.Equal(a, b)
}

// clients says for every host who may come in; nil if nobody is asked.
func (at *places) clients() map[string]string {
	var all map[string]string
	for _, p := range at.hosts {
		if p.asksClient() && all == nil {
			all = map[string]string{}
		}
	}
	if all == nil {
		return nil
	}
	for host, p := range at.hosts {
		all[host] = p.ClientAuth + " " + p.ca
	}
	return all
}

// tlsConfig chooses the certificate by the server name the client sends.
func (v *service) tlsConfig() *tls.Config {
	config := v.now.Load().first.tls.Clone()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		p := v.now.Load().presented(hello.ServerName)
		conn.Of(hello.Conn).SetServerCertificate(p.tls.Certificates[0].Leaf)
		return p.tls, nil
	}
	return config
}
