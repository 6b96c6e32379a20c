package variables

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strconv"
	"strings"

	"github.com/isapid/isapid/internal/isapi"
)

// addTLSVariables adds CERT_*, HTTPS* and CRYPT_*, which tell the true state of the connection, and Zeus's SSL_CLIENT_*.
func addTLSVariables(m map[string]func(*Request) string) {
	m["HTTPS"] = func(q *Request) string { return secure(q, "on", "off") }
	client := func(f func(*x509.Certificate) string) func(*Request) string {
		return func(q *Request) string {
			if q.R.TLS == nil || len(q.R.TLS.PeerCertificates) == 0 {
				return ""
			}
			return f(q.R.TLS.PeerCertificates[0])
		}
	}
	server := func(f func(*x509.Certificate) string) func(*Request) string {
		return func(q *Request) string {
			if c := q.Client.ServerCertificate(); c != nil && q.R.TLS != nil {
				return f(c)
			}
			return ""
		}
	}
	state := func(f func(*tls.ConnectionState) string) func(*Request) string {
		return func(q *Request) string {
			if q.R.TLS == nil {
				return ""
			}
			return f(q.R.TLS)
		}
	}
	m["CERT_COOKIE"] = client(func(c *x509.Certificate) string { return fmt.Sprintf("%x", sha256.Sum256(c.Raw)) })
	m["CERT_FLAGS"] = state(func(s *tls.ConnectionState) string { return strconv.Itoa(certFlags(s)) })
	m["CERT_ISSUER"] = client(func(c *x509.Certificate) string { return rdns(c.RawIssuer) })
	m["CERT_SUBJECT"] = client(func(c *x509.Certificate) string { return rdns(c.RawSubject) })
	m["CERT_SERIALNUMBER"] = client(func(c *x509.Certificate) string { return serial(c) })
	for _, p := range []string{"CERT_", "HTTPS_"} {
		m[p+"KEYSIZE"] = state(func(s *tls.ConnectionState) string { return strconv.Itoa(cipherOf(s).bits) })
		m[p+"SECRETKEYSIZE"] = server(func(c *x509.Certificate) string { return strconv.Itoa(keyBits(c)) })
		m[p+"SERVER_ISSUER"] = server(func(c *x509.Certificate) string { return rdns(c.RawIssuer) })
		m[p+"SERVER_SUBJECT"] = server(func(c *x509.Certificate) string { return rdns(c.RawSubject) })
	}
	m["CRYPT_PROTOCOL"] = state(func(s *tls.ConnectionState) string { return cryptProtocol[s.Version] })
	m["CRYPT_CIPHER_ALG_ID"] = state(func(s *tls.ConnectionState) string { return cipherOf(s).cipher })
	m["CRYPT_HASH_ALG_ID"] = state(func(s *tls.ConnectionState) string { return cipherOf(s).hash })
	m["CRYPT_KEYEXCHANGE_ALG_ID"] = state(func(s *tls.ConnectionState) string { return cipherOf(s).exchange })
	for part, f := range nameParts {
		m["SSL_CLIENT_"+part] = client(func(c *x509.Certificate) string { return f(c.Subject) })
		m["SSL_CLIENT_I_"+part] = client(func(c *x509.Certificate) string { return f(c.Issuer) })
	}
}

// certFlags are CERT_FLAGS and dwCertificateFlags of a connection: bit 0, there is a client certificate; bit 1, its issuer is not trusted.
func certFlags(s *tls.ConnectionState) int {
	switch {
	case len(s.PeerCertificates) == 0:
		return 0
	case len(s.VerifiedChains) == 0:
		return 3
	}
	return 1
}

// rdns writes a name as IIS does, in the certificate's own order: "C=DE, O=Example, CN=Name". A value that could be taken
// for more parts than one is quoted, as CertNameToStr does.
func rdns(der []byte) string {
	var name pkix.RDNSequence
	if _, err := asn1.Unmarshal(der, &name); err != nil {
		return ""
	}
	var parts []string
	for _, set := range name {
		for _, a := range set {
			label, ok := rdnLabels[a.Type.String()]
			if !ok {
				label = a.Type.String()
			}
			parts = append(parts, label+"="+rdnValue(fmt.Sprint(a.Value)))
		}
	}
	return strings.Join(parts, ", ")
}

func rdnValue(v string) string {
	v = isapi.Printable(v)
	if v == "" || strings.ContainsAny(v, ",+=\"<>#;") || strings.TrimSpace(v) != v {
		return `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
	}
	return v
}

var rdnLabels = map[string]string{
	"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "S", "2.5.4.10": "O", "2.5.4.11": "OU",
	"0.9.2342.19200300.100.1.25": "DC",
	"1.2.840.113549.1.9.1":       "E",
}

// nameParts are the parts of a name Zeus had variables for.
var nameParts = map[string]func(pkix.Name) string{
	"CN":    func(n pkix.Name) string { return n.CommonName },
	"EMAIL": func(n pkix.Name) string { return attribute(n, "1.2.840.113549.1.9.1") },
	"OU":    func(n pkix.Name) string { return strings.Join(n.OrganizationalUnit, ",") },
	"O":     func(n pkix.Name) string { return strings.Join(n.Organization, ",") },
	"L":     func(n pkix.Name) string { return strings.Join(n.Locality, ",") },
	"ST":    func(n pkix.Name) string { return strings.Join(n.Province, ",") },
	"C":     func(n pkix.Name) string { return strings.Join(n.Country, ",") },
}

func attribute(n pkix.Name, oid string) string {
	for _, a := range n.Names {
		if a.Type.String() == oid {
			return fmt.Sprint(a.Value)
		}
	}
	return ""
}

// serial is the number in hexadecimal bytes, "0a-1b-2c".
func serial(c *x509.Certificate) string {
	var parts []string
	for _, b := range c.SerialNumber.Bytes() {
		parts = append(parts, fmt.Sprintf("%02x", b))
	}
	return strings.Join(parts, "-")
}

func keyBits(c *x509.Certificate) int {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen()
	case *ecdsa.PublicKey:
		return k.Curve.Params().BitSize
	case ed25519.PublicKey:
		return 8 * len(k)
	}
	return 0
}

// cryptProtocol are the SP_PROT_*_SERVER bits of schannel.h, in hexadecimal.
var cryptProtocol = map[uint16]string{tls.VersionTLS10: "40", tls.VersionTLS11: "100", tls.VersionTLS12: "400", tls.VersionTLS13: "1000"}

// suite is what CRYPT_* tell of a cipher suite: its ALG_IDs (wincrypt.h) in hexadecimal, and the key's bits.
type suite struct {
	cipher, hash, exchange string
	bits                   int
}

func cipherOf(s *tls.ConnectionState) suite {
	name := tls.CipherSuiteName(s.CipherSuite)
	c := suite{cipher: "0", hash: "800c", exchange: "ae06", bits: 256} // ChaCha20 has no ALG_ID; CALG_SHA_256, CALG_ECDH_EPHEM
	if strings.HasPrefix(name, "TLS_RSA_") {
		c.exchange = "a400" // CALG_RSA_KEYX
	}
	switch {
	case strings.Contains(name, "AES_128"):
		c.cipher, c.bits = "660e", 128
	case strings.Contains(name, "AES_256"):
		c.cipher = "6610"
	}
	switch {
	case strings.HasSuffix(name, "SHA384"):
		c.hash = "800d"
	case strings.HasSuffix(name, "SHA"):
		c.hash = "8004"
	}
	return c
}
