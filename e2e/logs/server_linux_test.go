package logs

import (
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/testext"
)

// server is a process that serves.
type server struct {
	*served.Process
	t    *testing.T
	dir  string   // with isapid.yaml, root, and what a test has put there
	urls []string // of the bindings, without a slash at the end
}

// newServer makes the folder of a server: pages, and an extension that adds to the log.
func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir()}
	s.write("root/page.txt", "hello\n")
	s.write("root/größe 1.txt", "hello\n")
	served.Copy(t, testext.Source(t, echo), filepath.Join(s.dir, "echo.so"))
	served.Copy(t, testext.Fixture(t, "filter_trace"), filepath.Join(s.dir, "filter.so"))
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
	served.Write(s.t, filepath.Join(s.dir, name), text)
}

// start starts isapid with a command and flags, and waits until it serves.
func (s *server) start(args ...string) {
	s.t.Helper()
	s.launch(args...)
	s.urls = s.URLs()
}

// launch starts isapid.
func (s *server) launch(args ...string) {
	s.t.Helper()
	cmd := exec.Command(testext.Program(s.t, ""), append(args, "--json")...)
	cmd.Dir = s.dir
	s.Process = served.Start(s.t, cmd)
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

// lines are those of a text that are no directives.
func lines(text string) (list []string) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			list = append(list, strings.TrimSuffix(line, "\n"))
		}
	}
	return list
}
