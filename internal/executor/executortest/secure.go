package executortest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	hosting "github.com/isapid/isapid/internal/server"
)

// secured is a server over TLS that takes certificates of clients.
type secured struct {
	*server
	client tls.Certificate // one the server trusts
}

// clientName has every part a variable shows, in an order of its own, and characters that would make more parts of one.
var clientName = pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
	{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "kunde@example.com"},
	{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "DE"},
	{Type: asn1.ObjectIdentifier{2, 5, 4, 8}, Value: "Bayern"},
	{Type: asn1.ObjectIdentifier{2, 5, 4, 7}, Value: "München"},
	{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: `Kunde "Nord"`},
	{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: "A"},
	{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: "B, CN=root"},
	{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "client"},
}}

// serveTLS is serve over TLS, with HTTP/2 for clients that want it.
func (s *suite) serveTLS(t *testing.T, fixture string, o executor.Options) secured {
	t.Helper()
	dir := t.TempDir()
	ca := certificate(t, &x509.Certificate{Subject: pkix.Name{Organization: []string{"Test, Inc."}, CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	server := certificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "server"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, &ca)
	client := certificate(t, &x509.Certificate{
		Subject: clientName, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, &ca)
	key, err := x509.MarshalPKCS8PrivateKey(server.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name, kind string, der []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	b := hosting.Binding{
		TLS: true, CertFile: file("server.pem", "CERTIFICATE", server.Certificate[0]), KeyFile: file("server.key", "PRIVATE KEY", key),
		ClientAuth: "request", CAFile: file("ca.pem", "CERTIFICATE", ca.Certificate[0]),
	}
	return secured{s.serveImage(t, s.fixture(t, fixture), o, b), client}
}

// certificate makes one, signed by parent or by itself.
func certificate(t *testing.T, template *x509.Certificate, parent *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	signer := &tls.Certificate{Leaf: template, PrivateKey: key}
	if parent != nil {
		signer = parent
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.Leaf, key.Public(), signer.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// over sends one request by a protocol, "HTTP/1.1" or "HTTP/2.0", with certificates of the client's, if any.
func (s *secured) over(proto, method, target, body string, certs ...tls.Certificate) response {
	s.t.Helper()
	tr := &http.Transport{
		DisableCompression: true, ForceAttemptHTTP2: true, Protocols: new(http.Protocols),
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: certs},
	}
	tr.Protocols.SetHTTP1(proto == "HTTP/1.1")
	tr.Protocols.SetHTTP2(proto == "HTTP/2.0")
	defer tr.CloseIdleConnections()
	req, err := http.NewRequest(method, s.URL+target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.Proto != proto {
		s.t.Errorf("%s %s over %s: %v, want %s", method, target, res.Proto, err, proto)
	}
	return response{res, string(b)}
}
