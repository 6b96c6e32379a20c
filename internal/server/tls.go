package server

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
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
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("CA file %q holds no certificate in PEM", p.CAFile)
	}
	return nil
}

// asksClient tells whether the place wants client certificates.
func (p *place) asksClient() bool { return p.tls != nil && p.tls.ClientAuth != tls.NoClientCert }

// presented returns the place whose certificate a client that asked for name gets.
func (e *endpoint) presented(name string) *place {
	if p := e.find(name); p != nil {
		return p
	}
	return e.first
}

// tlsConfig chooses the certificate by the server name the client sends.
func (e *endpoint) tlsConfig() *tls.Config {
	config := e.first.tls.Clone()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		p := e.presented(hello.ServerName)
		conn.Of(hello.Conn).SetServerCertificate(p.tls.Certificates[0].Leaf)
		return p.tls, nil
	}
	return config
}
