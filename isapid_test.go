package isapid_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid"
	"github.com/isapid/isapid/internal/testext"
)

// where tells what the extension sees of its place; with the query "child" it hands over to /other.
const where = `
#include <stdio.h>
#include <string.h>
#include "httpext.h"

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v)
{
    v->dwExtensionVersion = HSE_VERSION;
    strcpy(v->lpszExtensionDesc, "where am I");
    return TRUE;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb)
{
    char script[256], mapped[1024] = "/x/y", text[4096];
    DWORD n = sizeof script;
    if (strcmp(ecb->lpszQueryString, "child") == 0) {
        n = 6;
        return ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_SEND_URL, (LPVOID) "/other", &n, NULL)
                   ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
    }
    if (strcmp(ecb->lpszQueryString, "crash") == 0)
        *(volatile int *)0 = 1;
    if (!ecb->GetServerVariable(ecb->ConnID, "SCRIPT_NAME", script, &n))
        return HSE_STATUS_ERROR;
    n = sizeof mapped;
    if (!ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_MAP_URL_TO_PATH, mapped, &n, NULL))
        return HSE_STATUS_ERROR;
    snprintf(text, sizeof text, "%s|%s|%s|%s", script, ecb->lpszPathInfo, ecb->lpszPathTranslated, mapped);
    n = (DWORD)strlen(text);
    ecb->WriteClient(ecb->ConnID, text, &n, HSE_IO_SYNC);
    return HSE_STATUS_SUCCESS;
}
`

func open(t *testing.T, opts ...isapid.Option) *isapid.Extension {
	t.Helper()
	quiet := isapid.WithLogger(slog.New(slog.DiscardHandler))
	e, err := isapid.Open(testext.Source(t, where), append([]isapid.Option{quiet}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

// request asks h over a real connection for a target as it stands, dot segments and all.
func request(t *testing.T, h http.Handler, target string) (status int, body string) {
	t.Helper()
	s := httptest.NewServer(h)
	defer s.Close()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	path, query, _ := strings.Cut(target, "?")
	u.Opaque, u.RawQuery = "//"+u.Host+path, query
	resp, err := s.Client().Do(&http.Request{Method: http.MethodGet, URL: u})
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

func TestPaths(t *testing.T) {
	root := t.TempDir()
	sep := string(filepath.Separator)
	at := func(path string) string { return root + filepath.FromSlash(path) }
	for _, c := range []struct {
		mount, target string
		status        int
		body          string // SCRIPT_NAME|PATH_INFO|PATH_TRANSLATED|what /x/y maps to
	}{
		{"", "/", 200, "|/|" + root + sep},
		{"", "/a/b", 200, "|/a/b|" + at("/a/b")},
		{"", "/a/b/", 200, "|/a/b/|" + at("/a/b/")},
		{"", "/a%20b", 200, "|/a b|" + at("/a b")},
		{"", "//a//b", 200, "|/a/b|" + at("/a/b")},
		{"", "/a/../../../etc/passwd", 200, "|/etc/passwd|" + at("/etc/passwd")},
		{"", "/a%00b", 400, ""},
		{"/shop", "/shop", 200, "/shop||" + root + sep},
		{"/shop", "/shop/", 200, "/shop|/|" + root + sep},
		{"/shop/", "/shop/a", 200, "/shop|/a|" + at("/a")},
		{"/shop", "/shopping", 404, ""},
		{"/shop", "/", 404, ""},
		{"/shop", "/shop/../admin", 404, ""},
	} {
		e := open(t, isapid.WithRoot(root), isapid.WithMount(c.mount))
		status, body := request(t, e, c.target)
		if c.status == 200 {
			c.body += "|" + at("/x/y")
		}
		if status != c.status || c.status == 200 && body != c.body {
			t.Errorf("mount %q, %q: %d %q, want %d %q", c.mount, c.target, status, body, c.status, c.body)
		}
	}
}

func TestRootDefaultsToFolderOfImage(t *testing.T) {
	image := testext.Source(t, where)
	_, body := request(t, open(t), "/a")
	if want := filepath.Join(filepath.Dir(image), "a"); !strings.Contains(body, "|"+want+"|") {
		t.Errorf("answer %q, want PATH_TRANSLATED %q in it", body, want)
	}
}

func TestChildRequests(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/other", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "other of "+r.URL.Path) })
	loop := http.NewServeMux()
	inner := open(t, isapid.WithNext(loop))
	loop.HandleFunc("/other", func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = "child"
		inner.ServeHTTP(w, r)
	})
	for _, c := range []struct {
		name   string
		e      *isapid.Extension
		status int
		body   string
	}{
		{"to the next handler", open(t, isapid.WithNext(mux)), 200, "other of /other"},
		{"back to the extension", open(t, isapid.WithRoot("/r")), 200, "|/other|/r/other|/r/x/y"},
		{"outside of the mount", open(t, isapid.WithMount("/shop")), 404, ""},
		{"without end", inner, 500, ""},
	} {
		target := "/shop?child"
		if status, body := request(t, c.e, target); status != c.status || c.body != "" && body != c.body {
			t.Errorf("%s: %d %q, want %d %q", c.name, status, body, c.status, c.body)
		}
	}
}

func TestFaultPolicy(t *testing.T) {
	for policy, after := range map[isapid.FaultPolicy]int{isapid.FaultKeep: 200, isapid.FaultRefuse: 500} {
		e := open(t, isapid.WithFaultPolicy(policy))
		for i, want := range []int{200, 500, after} {
			target := []string{"/", "/?crash", "/"}[i]
			if status, _ := request(t, e, target); status != want {
				t.Errorf("policy %q: answer %d to %q is %d, want %d", policy, i, target, status, want)
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	image := testext.Source(t, where)
	for _, c := range []struct {
		image string
		opt   isapid.Option
		want  string
	}{
		{image, isapid.WithThreads(0), "threads 0 is too small; use at least 1"},
		{image, isapid.WithStack(100), "stack 100 is too small; use at least 65536"},
		{image, isapid.WithQueue(-1), "queue -1 is too small"},
		{image, isapid.WithPendingLimit(-1), "negative"},
		{image, isapid.WithRoot(""), "document root is empty"},
		{image, isapid.WithMount("shop"), `mount "shop" is not a clean path; write it like "/shop"`},
		{image, isapid.WithMount("/a/../b"), "not a clean path"},
		{image, isapid.WithFaultPolicy("hope"), `fault policy "hope" is unknown`},
		{image, isapid.WithNext(nil), "is nil"},
		{image, isapid.WithLogger(nil), "is nil"},
		{filepath.Join(t.TempDir(), "missing.so"), isapid.WithThreads(1), "missing.so"},
	} {
		e, err := isapid.Open(c.image, c.opt)
		if err == nil {
			e.Close(context.Background())
			t.Errorf("no error; want one with %q", c.want)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %q, want %q in it", err, c.want)
		}
	}
}

func TestAfterClose(t *testing.T) {
	e, err := isapid.Open(testext.Source(t, where), isapid.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	if d := e.Description(); d != "where am I" {
		t.Errorf("description %q", d)
	}
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if status, _ := request(t, e, "/"); status != http.StatusServiceUnavailable {
		t.Errorf("request after Close: %d, want 503", status)
	}
}
