package logs

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
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

// isapid is the program, built once.
var isapid = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "isapid-logs-")
	if err != nil {
		return "", err
	}
	folder = dir
	file := filepath.Join(dir, "isapid")
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", file, "../../cmd/isapid")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return file, nil
})

var folder string // of the program; "": it was not built

func TestMain(m *testing.M) {
	code := m.Run()
	if folder != "" {
		os.RemoveAll(folder)
	}
	os.Exit(code)
}

// server is a process that serves.
type server struct {
	t    *testing.T
	dir  string // with isapid.yaml, root, and what a test has put there
	cmd  *exec.Cmd
	urls []string // of the bindings, without a slash at the end
	out  output
	log  output        // its standard error
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

// newServer makes the folder of a server: pages, and an extension that adds to the log.
func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), gone: make(chan struct{})}
	s.write("root/page.txt", "hello\n")
	s.write("root/größe 1.txt", "hello\n")
	s.copy("echo.so", testext.Source(t, echo))
	s.copy("filter.so", testext.Fixture(t, "filter_trace"))
	return s
}

// echo answers with its path and adds to what is logged. On the path /tell it writes a line to its standard error.
const echo = `
#include <stdio.h>
#include <string.h>
#include "httpext.h"

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v)
{
    v->dwExtensionVersion = HSE_VERSION;
    strcpy(v->lpszExtensionDesc, "echo");
    return TRUE;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb)
{
    DWORD n = (DWORD)strlen(ecb->lpszPathInfo);
    if (strstr(ecb->lpszPathInfo, "/tell"))
        fprintf(stderr, "told: %s\n", ecb->lpszQueryString);
    ecb->WriteClient(ecb->ConnID, ecb->lpszPathInfo, &n, HSE_IO_SYNC);
    strcpy(ecb->lpszLogData, " data\n1");
    ecb->ServerSupportFunction(ecb->ConnID, HSE_APPEND_LOG_PARAMETER, (LPVOID)"&extra=1", NULL, NULL);
    return HSE_STATUS_SUCCESS;
}
`

func (s *server) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) copy(name, from string) {
	s.t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, name), data, 0o700); err != nil {
		s.t.Fatal(err)
	}
}

// start starts isapid with a command and flags, and waits until it serves.
func (s *server) start(args ...string) {
	s.t.Helper()
	s.launch(args...)
	s.serves()
}

// launch starts isapid.
func (s *server) launch(args ...string) {
	s.t.Helper()
	program, err := isapid()
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd = exec.Command(program, append(args, "--json")...)
	s.cmd.Dir, s.cmd.Stderr = s.dir, &s.log
	s.cmd.WaitDelay = 10 * time.Second
	s.cmd.Stdout = &s.out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.gone)
	}()
	s.t.Cleanup(func() {
		s.end()
		if s.t.Failed() {
			s.t.Logf("the log:\n%s", s.log.String())
		}
	})
}

// serves waits until it says that it serves.
func (s *server) serves() {
	s.t.Helper()
	s.until("serving", func() bool {
		var event struct {
			Event string
			URLs  []string
		}
		line, _, whole := strings.Cut(s.out.String(), "\n")
		if !whole || json.Unmarshal([]byte(line), &event) != nil || event.Event != "serving" {
			return false
		}
		for _, u := range event.URLs {
			s.urls = append(s.urls, strings.TrimRight(u, "/"))
		}
		return true
	})
}

// end ends the server, which writes all that it has to write.
func (s *server) end() {
	s.t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.gone:
	case <-time.After(time.Minute):
		s.t.Error("the server does not end")
		_ = s.cmd.Process.Kill()
		<-s.gone
	}
}

// signal sends a signal to the server.
func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// until waits for a fact.
func (s *server) until(what string, fact func() bool) {
	s.t.Helper()
	limit := time.After(time.Minute)
	for !fact() {
		select {
		case <-s.gone:
			s.t.Fatalf("ended before %s", what)
		case <-limit:
			s.t.Fatalf("not %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// read is what a file has; "" if there is none.
func (s *server) read(name string) string {
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil && !os.IsNotExist(err) {
		s.t.Error(err)
	}
	return string(text)
}

// find is the only file that matches.
func (s *server) find(pattern string) string {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, pattern))
	if err != nil || len(files) != 1 {
		s.t.Fatalf("%s: %v, %q", pattern, err, files)
	}
	return files[0]
}

// client speaks HTTP/2 where it can, to servers with any certificate.
func client(t *testing.T) *http.Client {
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true} //nolint:gosec // a test
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

// send sends a request with headers, "Name: value", and checks the status of the answer.
func send(t *testing.T, c *http.Client, want int, method, url string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Errorf("%s %s: %v", method, url, err)
	}
	if resp.StatusCode != want {
		t.Errorf("%s %s: %d, want %d", method, url, resp.StatusCode, want)
	}
	return resp
}

// certificate makes one for 127.0.0.1: cert.pem and key.pem.
func (s *server) certificate() {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	s.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

// lines are those of a text that are no directives.
func lines(text string) (list []string) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			list = append(list, strings.TrimSuffix(line, "\n"))
		}
	}
	return list
}
