package metrics

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/testext"
)

// program is a process that the test has started. It is ended when the test is.
type program struct {
	*exec.Cmd
	name string
	out  output
	gone chan struct{} // closed when it has ended
}

// output is what a program writes, and can be read meanwhile.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func start(t *testing.T, dir, name string, args ...string) *program {
	t.Helper()
	p := &program{Cmd: exec.Command(name, args...), name: filepath.Base(name), gone: make(chan struct{})}
	p.Dir, p.Stdout, p.Stderr = dir, &p.out, &p.out
	p.WaitDelay = 10 * time.Second
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.Wait()
		close(p.gone)
	}()
	t.Cleanup(func() {
		p.end(t)
		if t.Failed() {
			t.Logf("%s wrote:\n%s", p.name, p.out.String())
		}
	})
	return p
}

// end asks the program to end, and sees to it that it does.
func (p *program) end(t *testing.T) {
	t.Helper()
	_ = p.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.gone:
	case <-time.After(time.Minute):
		t.Errorf("%s does not end", p.name)
		_ = p.Process.Kill()
		<-p.gone
	}
}

// until waits for something that the program does.
func (p *program) until(t *testing.T, what string, fact func() bool) {
	t.Helper()
	limit := time.After(2 * time.Minute)
	for !fact() {
		select {
		case <-p.gone:
			t.Fatalf("%s ended before %s: %s", p.name, what, p.out.String())
		case <-limit:
			t.Fatalf("%s: not %s", p.name, what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// need is where a program is. CI has them all (hack/packages.sh).
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	return path
}

// build is isapid itself.
func build(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "isapid")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", file, "./cmd/isapid")
	cmd.Dir = testext.Root(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

// free is an address that nobody listens at.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificate makes one for 127.0.0.1 in dir, and a client that trusts it.
func certificate(t *testing.T, dir string) *http.Client {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	write(t, filepath.Join(dir, "control.pem"), string(cert))
	write(t, filepath.Join(dir, "control.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	return client(t, cert)
}

// url is the first that the program says it serves.
func (p *program) url() string {
	for line := range strings.Lines(p.out.String()) {
		if at := strings.Index(line, "http://127.0.0.1:"); at >= 0 {
			return strings.TrimRight(strings.Fields(line[at:])[0], "/")
		}
	}
	return ""
}

// send sends a request and returns the status of the answer.
func send(t *testing.T, method, url string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_, err = bytes.NewBuffer(nil).ReadFrom(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		t.Fatal(fmt.Errorf("%s %s: %w", method, url, err))
	}
	return resp.StatusCode
}
