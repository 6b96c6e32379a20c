package front

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/testext"
)

const echo = `
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
    ecb->WriteClient(ecb->ConnID, ecb->lpszPathInfo, &n, HSE_IO_SYNC);
    strcpy(ecb->lpszLogData, "echoed");
    ecb->ServerSupportFunction(ecb->ConnID, HSE_APPEND_LOG_PARAMETER, (LPVOID)"extra=1", NULL, NULL);
    return HSE_STATUS_SUCCESS;
}
`

// oneSite is a site at a free port of the loopback with a handler for each image.
func oneSite(t *testing.T, images map[string]string) *config.Config {
	t.Helper()
	s := config.DefaultSite("test", t.TempDir())
	s.Bindings = []config.Binding{{Address: "127.0.0.1"}}
	for pattern, image := range images {
		s.Applications[0].Handlers = append(s.Applications[0].Handlers, config.Handler{Path: pattern, Extension: image})
	}
	c := config.Default()
	c.Sites = []config.Site{s}
	return c
}

func newFront(t *testing.T, cfg *config.Config) *Front {
	t.Helper()
	f, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// serve starts f and serves it until end is called, or else until the test ends.
func serve(t *testing.T, f *Front) (end func()) {
	t.Helper()
	end, err := served.Run(t, f)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

func get(t testing.TB, url string) (status int, body string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestServe(t *testing.T) {
	cfg := oneSite(t, map[string]string{"/echo/*": testext.Source(t, echo)})
	cfg.Log.Access = logAt(filepath.Join(t.TempDir(), "access.log"))
	page := strings.Repeat("page\n", 1000)
	if err := os.WriteFile(filepath.Join(cfg.Sites[0].Root, "page.txt"), []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFront(t, cfg)
	end := serve(t, f)
	url := f.URLs()[0]
	for _, c := range []struct {
		path   string
		status int
		body   string // "": any
	}{
		{"echo/a/b?q=1", 200, "/a/b"},
		{"page.txt", 200, page},
		{"missing", 404, ""},
	} {
		if status, body := get(t, url+c.path); status != c.status || c.body != "" && body != c.body {
			t.Errorf("%s: %d %q, want %d %q", c.path, status, body, c.status, c.body)
		}
	}
	if got := f.Extensions(); len(got) != 1 || got[0].Description != "echo" || got[0].Pool != config.DefaultPoolName {
		t.Errorf("extensions %+v, want the one called echo", got)
	}
	end()
	if got := f.Stats(); got != (Stats{Requests: 3}) {
		t.Errorf("stats after the end: %+v, want 3 requests and nothing else", got)
	}
	checkAccessLog(t, cfg.Log.Access.File, []map[string]any{
		{"method": "GET", "url": "/echo/a/b?q=1", "status": 200., "bytes": 4., "log_data": "echoed", "log_query": "extra=1", "site": "test"},
		{"method": "GET", "url": "/page.txt", "status": 200., "bytes": float64(len(page)), "extension_ms": nil},
		{"method": "GET", "url": "/missing", "status": 404., "broken": nil},
	})
	if _, err := net.Dial("tcp", strings.Trim(strings.TrimPrefix(url, "http://"), "/")); err == nil {
		t.Error("somebody still listens after Drain")
	}
}

// logAt is an access log in JSON.
func logAt(file string) *config.AccessLog {
	return &config.AccessLog{Format: config.AccessJSON, File: file, Rotate: config.Rotate{Every: config.Never}}
}

// checkAccessLog compares the lines, which come in any order, by URL and the keys that want names; nil means no such key.
func checkAccessLog(t *testing.T, name string, want []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	byURL := map[any]map[string]any{}
	for line := range bytes.Lines(text) {
		var got map[string]any
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("not JSON: %v: %s", err, line)
		}
		byURL[got["url"]] = got
	}
	if n := bytes.Count(text, []byte("\n")); n != len(want) {
		t.Errorf("access log has %d lines, want %d:\n%s", n, len(want), text)
	}
	for _, w := range want {
		got := byURL[w["url"]]
		for k, v := range w {
			if got[k] != v {
				t.Errorf("%s: %s is %v, want %v", w["url"], k, got[k], v)
			}
		}
		if d, ok := got["duration_ms"].(float64); !ok || d < 0 {
			t.Errorf("%s: duration %v", w["url"], got["duration_ms"])
		}
	}
}

// TestStartReportsAll: every image and address that is wrong is told at once, and what was right is closed again.
func TestStartReportsAll(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	cfg := oneSite(t, map[string]string{
		"/good/*": testext.Source(t, echo),
		"/one/*":  filepath.Join(dir, "one.so"),
		"/two/*":  filepath.Join(dir, "two.so"),
	})
	cfg.Sites[0].Bindings[0].Port = taken.Addr().(*net.TCPAddr).Port
	f := newFront(t, cfg)
	err = f.Start()
	if err == nil {
		t.Fatal("Start worked with two missing images on a taken address")
	}
	for _, want := range []string{"one.so", "two.so", "in use"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not tell of %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "source.so") {
		t.Errorf("error tells of the good image:\n%v", err)
	}
	if load := (*LoadError)(nil); !errors.As(err, &load) {
		t.Error("no LoadError in it")
	}
	if listen := (*ListenError)(nil); !errors.As(err, &listen) {
		t.Error("no ListenError in it")
	}
}

func TestURLs(t *testing.T) {
	cfg := oneSite(t, nil)
	second := config.DefaultSite("second", cfg.Sites[0].Root)
	second.Bindings = []config.Binding{{Address: "127.0.0.1", Host: "shop.example"}, {Address: "127.0.0.2"}, {}}
	cfg.Sites = append(cfg.Sites, second)
	f := newFront(t, cfg)
	serve(t, f)

	port := func(addr net.Addr) string { _, p, _ := net.SplitHostPort(addr.String()); return p }
	a := f.server.Addrs()
	if len(a) != 3 {
		t.Fatalf("listening on %v, want three addresses", a)
	}
	want := []string{
		"http://127.0.0.1:" + port(a[0]) + "/", "http://shop.example:" + port(a[0]) + "/",
		"http://127.0.0.2:" + port(a[1]) + "/", "http://localhost:" + port(a[2]) + "/",
	}
	if got := f.URLs(); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("URLs %q, want %q", got, want)
	}
}
