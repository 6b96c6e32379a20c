package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/conn"
)

// authority signs certificates for one test.
type authority struct {
	t    testing.TB
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
	file string
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t, dir: t.TempDir(), pool: x509.NewCertPool()}
	a.cert, a.key = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	a.pool.AddCert(a.cert)
	a.file = a.write("ca.pem", "CERTIFICATE", a.cert.Raw)
	return a
}

func (a *authority) sign(template *x509.Certificate, parent *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	signer := a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) write(name, kind string, der []byte) string {
	a.t.Helper()
	file := filepath.Join(a.dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return file
}

// issue returns the files of a certificate for host.
func (a *authority) issue(host string) (certFile, keyFile string) {
	a.t.Helper()
	cert, key := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, KeyUsage: x509.KeyUsageDigitalSignature}, a.cert)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.write(host+".pem", "CERTIFICATE", cert.Raw), a.write(host+".key", "PRIVATE KEY", der)
}

// binding is one for host over TLS.
func (a *authority) binding(host string) Binding {
	b := Binding{Addr: "127.0.0.1:0", Host: host, TLS: true}
	b.CertFile, b.KeyFile = a.issue(host)
	return b
}

// client speaks to s as if it were every host, over HTTP/2 if h2. A new connection is made for each host.
func (a *authority) client(s *Server, h2 bool, certs ...tls.Certificate) *http.Client {
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: a.pool, Certificates: certs},
		ForceAttemptHTTP2: h2,
		Protocols:         new(http.Protocols),
	}
	transport.Protocols.SetHTTP2(h2)
	transport.Protocols.SetHTTP1(!h2)
	transport.DialContext = (&redirect{s.Addrs()[0].String()}).dial
	a.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

func fetch(t testing.TB, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	response, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestTLS(t *testing.T) {
	a := newAuthority(t)
	tell := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			c := conn.From(r.Context())
			reason := c.SetReason(200, "Fine")
			aborted := r.ProtoMajor < 2 || errors.Is(c.Abort(), errors.ErrUnsupported)
			fmt.Fprintf(w, "%s %s %s %v %v %v", name, r.Proto, c.ServerCertificate().DNSNames[0], r.TLS != nil, reason, aborted)
		}
	}
	s := start(t, Limits{}, site("a", tell("a"), a.binding("a.test")), site("b", tell("b"), a.binding("b.test")))
	for _, h2 := range []bool{false, true} {
		c := a.client(s, h2)
		for _, name := range []string{"a", "b"} {
			response, body := fetch(t, c, "https://"+name+".test/")
			want := fmt.Sprintf("%s %s %s.test true %v true", name, response.Proto, name, !h2)
			if body != want || (response.ProtoMajor == 2) != h2 {
				t.Errorf("h2=%v: got %q, want %q", h2, body, want)
			}
			if got := response.Status == "200 Fine"; got == h2 {
				t.Errorf("h2=%v: got status %q", h2, response.Status)
			}
		}
	}
	status, body := ask(t, s.Addrs()[0].String(), get("/", "a.test"))
	if status != 400 || !strings.Contains(body, "HTTPS server") {
		t.Errorf("plain HTTP: got %d %q, want 400 and why", status, body)
	}
	half := dial(t, s.Addrs()[0].String()) // a handshake that never ends must not hold up Shutdown
	send(t, half, "\x16\x03\x01")
}

func TestTLSErrors(t *testing.T) {
	a := newAuthority(t)
	good := a.binding("a.test")
	other := a.binding("b.test")
	mismatch := good
	mismatch.KeyFile = other.KeyFile
	noCA := good
	noCA.ClientAuth, noCA.CAFile = "require", good.KeyFile
	badAuth := good
	badAuth.ClientAuth = "perhaps"
	unusedCA := good
	unusedCA.CAFile = a.file
	plain := Binding{Addr: good.Addr, Host: "plain"}
	tests := []struct {
		name     string
		bindings []Binding
		want     []string
	}{
		{"mismatch", []Binding{mismatch}, []string{"a.test.pem", "b.test.key", "does not match"}},
		{"no certificate in CA file", []Binding{noCA}, []string{"a.test.key", "no certificate"}},
		{"unknown client authentication", []Binding{badAuth}, []string{`"perhaps"`, "require"}},
		{"CA file for nothing", []Binding{unusedCA}, []string{"not asked for"}},
		{"http and https", []Binding{good, plain}, []string{"http or https"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := New([]Site{site("s", hello, test.bindings...)}, Limits{}, nil)
			contains(t, err, test.want...)
		})
	}
}

// Who asks for a client certificate gets one, also from clients that connect for another host first.
func TestClientCertificates(t *testing.T) {
	a := newAuthority(t)
	strict := a.binding("strict.test")
	strict.ClientAuth, strict.CAFile = "require", a.file
	lax := a.binding("lax.test")
	lax.ClientAuth, lax.CAFile = "request", a.file
	s := start(t, Limits{}, site("s", func(w http.ResponseWriter, r *http.Request) {
		for _, cert := range r.TLS.PeerCertificates {
			_, _ = io.WriteString(w, cert.Subject.CommonName)
		}
	}, strict, lax, a.binding("open.test")))
	certFile, keyFile := a.issue("me")
	me, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{"strict": "me", "lax": "me", "open": ""} {
		if _, body := fetch(t, a.client(s, true, me), "https://"+host+".test/"); body != want {
			t.Errorf("%s with certificate: got %q, want %q", host, body, want)
		}
	}
	if _, err := a.client(s, false).Get("https://strict.test/"); err == nil {
		t.Error("strict without certificate: got an answer")
	}
	if _, body := fetch(t, a.client(s, false), "https://lax.test/"); body != "" {
		t.Errorf("lax without certificate: got %q", body)
	}
	raw := tls.Client(dial(t, s.Addrs()[0].String()), &tls.Config{RootCAs: a.pool, ServerName: "open.test"})
	send(t, raw, get("/", "strict.test"))
	if status, body := answer(t, bufio.NewReader(raw)); status != http.StatusMisdirectedRequest {
		t.Errorf("strict by way of open: got %d %q, want 421", status, body)
	}
}

// The limits hold for HTTP/2 streams too, each for itself.
func TestHTTP2Limits(t *testing.T) {
	a := newAuthority(t)
	const short = 100 * time.Millisecond
	g := newGate(t)
	failed := make(chan error, 1)
	s := start(t, Limits{Body: 1000, BodyTimeout: short, WriteTimeout: short}, site("s", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gate":
			g.ServeHTTP(w, r)
		case "/big":
			_, err := w.Write(make([]byte, 64<<20))
			failed <- err
		default:
			if _, err := io.ReadAll(r.Body); err == nil {
				hello(w, r)
			}
		}
	}, a.binding("a.test")))
	c := a.client(s, true)
	gated := make(chan string)
	go func() {
		response, err := c.Get("https://a.test/gate") // longer than all limits, on the same connection
		if err != nil {
			gated <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		gated <- string(body)
	}()
	<-g.entered

	post := func(body io.Reader) string {
		response, err := c.Post("https://a.test/", "", body)
		if err != nil {
			return "error"
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		return fmt.Sprint(response.StatusCode, " ", string(text))
	}
	pipe, _ := io.Pipe()
	defer pipe.Close()
	unknown := func(n int) io.Reader { return struct{ io.Reader }{bytes.NewReader(make([]byte, n))} }
	if got := post(bytes.NewReader(make([]byte, 1000))); got != "200 hello" {
		t.Errorf("fits: got %q", got)
	}
	if got := post(bytes.NewReader(make([]byte, 1001))); got != "413 s page 413.1" {
		t.Errorf("declared: got %q", got)
	}
	if got := post(unknown(1001)); got != "413 s page 413.1" {
		t.Errorf("undeclared: got %q", got)
	}
	if got := post(pipe); got != "error" {
		t.Errorf("standstill: got %q, want a reset stream", got)
	}
	response, err := c.Get("https://a.test/big")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := <-failed; err == nil { // nobody reads: the window is never opened
		t.Error("write nobody reads: got no error")
	}
	g.open()
	if got := <-gated; got != "hello" {
		t.Errorf("the other stream: got %q", got)
	}
}

// A handler may give up a read of the body that waits, by a deadline of its own, as it does when the worker that wanted the body is gone. Its
// answer goes out all the same: only the server's own limit breaks a request off.
func TestHandlerEndsItsRead(t *testing.T) {
	a := newAuthority(t)
	s := start(t, Limits{BodyTimeout: time.Hour}, site("s", func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		read := make(chan error)
		go func() {
			_, err := io.Copy(io.Discard, r.Body)
			read <- err
		}()
		if err := control.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Error(err)
		}
		if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the read ended with %v", err)
		}
		http.Error(w, "the worker is gone", http.StatusBadGateway)
	}, a.binding("a.test")))
	for name, two := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			body, more := io.Pipe() // which never comes to an end
			defer more.Close()
			response, err := a.client(s, two).Post("https://a.test/", "", body)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if text, err := io.ReadAll(response.Body); response.StatusCode != http.StatusBadGateway || string(text) != "the worker is gone\n" {
				t.Errorf("got %d %q %v", response.StatusCode, text, err)
			}
		})
	}
}

// redirect dials one address, whatever is asked for.
type redirect struct{ addr string }

func (r *redirect) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, r.addr)
}

// TestNoHTTP2: where HTTP/2 is off, a client that could speak it gets HTTP/1.1, also beside a site where it is on.
func TestNoHTTP2(t *testing.T) {
	a := newAuthority(t)
	proto := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }
	with, without := a.binding("with.test"), a.binding("without.test")
	without.NoHTTP2 = true
	s := start(t, Limits{}, site("with", proto, with), site("without", proto, without))
	client := a.client(s, true)
	client.Transport.(*http.Transport).Protocols.SetHTTP1(true)
	for host, want := range map[string]string{"with.test": "HTTP/2.0", "without.test": "HTTP/1.1"} {
		if _, got := fetch(t, client, "https://"+host+"/"); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}
