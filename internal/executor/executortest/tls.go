package executortest

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
)

// testTLS: the variables that tell of TLS, over HTTP/1.x and HTTP/2, with and without a certificate of the client's.
func testTLS(t *testing.T, s *suite) {
	srv := s.serveTLS(t, "variables", executor.Options{})
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			testSecureRequest(t, srv, proto)
			testClientCertificate(t, srv, proto)
		})
	}
	t.Run("Ciphers", func(t *testing.T) { testCiphers(t, srv) })
}

// check asks for variables, name by name.
func (s *secured) check(t *testing.T, proto string, want map[string]string, certs ...tls.Certificate) {
	t.Helper()
	for name, value := range want {
		if got := s.over(proto, "GET", "/app.dll/a?value="+name, "", certs...).Body; got != value {
			t.Errorf("%s over %s is %q, want %q", name, proto, got, value)
		}
	}
}

func testSecureRequest(t *testing.T, srv secured, proto string) {
	_, port, _ := net.SplitHostPort(srv.addr)
	want := map[string]string{
		"HTTPS": "on", "SERVER_PORT_SECURE": "1", "SERVER_PORT": port, "SERVER_NAME": "127.0.0.1", "REQUEST_FLAGS": "0",
		"SERVER_PROTOCOL": "HTTP/1.1", "HTTP_VERSION": "HTTP/1.1", "HTTP_URL": "/app.dll/a?value=HTTP_URL", "REMOTE_ADDR": "127.0.0.1",
		"CACHE_URL": "https://127.0.0.1:" + port + "/app.dll/a", "CRYPT_PROTOCOL": "1000", "CRYPT_KEYEXCHANGE_ALG_ID": "ae06",
		"CERT_SERVER_ISSUER": `O="Test, Inc.", CN=ca`, "CERT_SERVER_SUBJECT": "CN=server", "CERT_SECRETKEYSIZE": "256",
		"CERT_COOKIE": "", "CERT_FLAGS": "0", "CERT_ISSUER": "", "CERT_SUBJECT": "", "CERT_SERIALNUMBER": "", "SSL_CLIENT_CN": "", "SSL_CLIENT_I_O": "",
		"HTTP_HOST": srv.addr, "HTTP_X_ABSENT": "error 1413", "HTTP_USER_AGENT": "Go-http-client/1.1",
	}
	if proto == "HTTP/2.0" { // HTTP/1.1 as far as an extension is concerned
		want["REQUEST_FLAGS"], want["HTTP_USER_AGENT"] = "4", "Go-http-client/2.0"
	}
	want["ALL_RAW"] = "Host: " + srv.addr + "\r\nUser-Agent: " + want["HTTP_USER_AGENT"] + "\r\n"
	want["ALL_HTTP"] = "HTTP_HOST:" + srv.addr + "\nHTTP_USER_AGENT:" + want["HTTP_USER_AGENT"] + "\n"
	for _, name := range []string{"SECRETKEYSIZE", "SERVER_ISSUER", "SERVER_SUBJECT"} {
		want["HTTPS_"+name] = want["CERT_"+name]
	}
	srv.check(t, proto, want)
}

func testClientCertificate(t *testing.T, srv secured, proto string) {
	cookie := sha256.Sum256(srv.client.Certificate[0])
	var serial []string
	for _, b := range srv.client.Leaf.SerialNumber.Bytes() {
		serial = append(serial, hex.EncodeToString([]byte{b}))
	}
	srv.check(t, proto, map[string]string{
		"CERT_FLAGS": "1", "CERT_COOKIE": hex.EncodeToString(cookie[:]), "CERT_SERIALNUMBER": strings.Join(serial, "-"),
		"CERT_ISSUER":   `O="Test, Inc.", CN=ca`,
		"CERT_SUBJECT":  srv.images.narrow(`E=kunde@example.com, C=DE, S=Bayern, L=München, O="Kunde ""Nord""", OU=A, OU="B, CN=root", CN=client`),
		"SSL_CLIENT_CN": "client", "SSL_CLIENT_EMAIL": "kunde@example.com", "SSL_CLIENT_OU": "A,B, CN=root", "SSL_CLIENT_O": `Kunde "Nord"`,
		"SSL_CLIENT_L": srv.images.narrow("München"), "SSL_CLIENT_ST": "Bayern", "SSL_CLIENT_C": "DE",
		"SSL_CLIENT_I_CN": "ca", "SSL_CLIENT_I_EMAIL": "", "SSL_CLIENT_I_OU": "", "SSL_CLIENT_I_O": "Test, Inc.", "SSL_CLIENT_I_L": "",
		"SSL_CLIENT_I_ST": "", "SSL_CLIENT_I_C": "",
		"AUTH_TYPE": "", "REMOTE_USER": "", // a certificate alone logs nobody on
	}, srv.client)
	if got, want := srv.over(proto, "GET", "/app.dll?wide=CERT_SUBJECT", "", srv.client).Body, `L=M\u00fcnchen,`; !strings.Contains(got, want) {
		t.Errorf("UNICODE_CERT_SUBJECT over %s is %q, want %q in it", proto, got, want)
	}
}

// testCiphers: CRYPT_* and the key's size tell what was negotiated, in the numbers of wincrypt.h and schannel.h.
func testCiphers(t *testing.T, srv secured) {
	type told struct {
		cipher, hash string
		bits         int
	}
	suites := map[uint16]told{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: {"660e", "800c", 128},
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: {"6610", "800d", 256},
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305:  {"0", "800c", 256},
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA:    {"660e", "8004", 128},
		tls.TLS_AES_128_GCM_SHA256:                  {"660e", "800c", 128},
		tls.TLS_AES_256_GCM_SHA384:                  {"6610", "800d", 256},
		tls.TLS_CHACHA20_POLY1305_SHA256:            {"0", "800c", 256},
	}
	const names = "CRYPT_PROTOCOL,CRYPT_CIPHER_ALG_ID,CRYPT_HASH_ALG_ID,CRYPT_KEYEXCHANGE_ALG_ID,CERT_KEYSIZE,HTTPS_KEYSIZE,ALL_RAW"
	ask := func(config *tls.Config) (state tls.ConnectionState, body string) {
		config.InsecureSkipVerify = true
		c, err := tls.Dial("tcp", srv.addr, config)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState(), exchange(t, c, "GET", "GET /app.dll?list="+names+" HTTP/1.1\r\nb: 1\r\nHost: h\r\n\r\n")
	}
	for id, suite := range suites {
		config, protocol := &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{id}}, "400"
		if strings.HasPrefix(tls.CipherSuiteName(id), "TLS_AES") || strings.HasPrefix(tls.CipherSuiteName(id), "TLS_CHA") {
			config, protocol = &tls.Config{MinVersion: tls.VersionTLS13}, "1000" // which of them is Go's to choose
		}
		state, got := ask(config)
		if protocol == "1000" {
			suite = suites[state.CipherSuite]
		} else if state.CipherSuite != id {
			t.Errorf("%s: %s was negotiated", tls.CipherSuiteName(id), tls.CipherSuiteName(state.CipherSuite))
		}
		bits := strconv.Itoa(suite.bits)
		want := "CRYPT_PROTOCOL=" + protocol + "\nCRYPT_CIPHER_ALG_ID=" + suite.cipher + "\nCRYPT_HASH_ALG_ID=" + suite.hash +
			"\nCRYPT_KEYEXCHANGE_ALG_ID=ae06\nCERT_KEYSIZE=" + bits + "\nHTTPS_KEYSIZE=" + bits +
			"\nALL_RAW=Connection: close\r\nb: 1\r\nHost: h\r\n\n" // as it came, also under TLS
		if got != want {
			t.Errorf("%s: %q, want %q", tls.CipherSuiteName(state.CipherSuite), got, want)
		}
	}
}
