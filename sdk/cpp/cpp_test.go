// Package cpp_test runs an extension written with isapi.hpp.
package cpp_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/testext"
)

func serve(t *testing.T, options ...isapid.Option) string {
	t.Helper()
	e, err := isapid.Open(testext.Compile(t, "testdata/probe.cpp"), options...)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(e)
	t.Cleanup(func() {
		s.Close()
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s.URL
}

// ask answers the response and its body, or the error of either.
func ask(t *testing.T, method, url string, body io.Reader, header ...string) (*http.Response, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	var client http.Client
	defer client.CloseIdleConnections()
	response, err := client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return response, string(data), err
}

func TestResponses(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{"file": "the file", "empty": ""} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var big strings.Builder
	for i := range 1000 {
		big.WriteString(strings.Repeat(string(rune('a'+i%26)), 1000))
	}
	url := serve(t, isapid.WithRoot(root))
	for _, c := range []struct {
		path   string
		status int
		body   string
		length int64 // -1: not declared
	}{
		{"/nothing", 200, "", 0},
		{"/big", 200, big.String(), -1},
		{"/sized", 200, strings.Repeat("x", 70000) + strings.Repeat("y", 30000), 100000},
		{"/file?file", 200, "before the file", 15},
		{"/file?empty", 200, "before ", 7},
		{"/status", 418, "", 0},
		{"/variable?REQUEST_METHOD", 200, "yes GET", 7},
		{"/variable?HTTP_X_NONE", 200, "no untouched", 12},
		{"/header", 200, "none", 4},
	} {
		t.Run(c.path, func(t *testing.T) {
			response, body, err := ask(t, "GET", url+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != c.status || body != c.body || response.ContentLength != c.length {
				t.Errorf("got %d, %d bytes of %d declared, want %d, %d of %d", response.StatusCode, len(body), response.ContentLength, c.status, len(c.body), c.length)
			}
		})
	}
}

func TestFailuresBecome500(t *testing.T) {
	url := serve(t)
	for _, path := range []string{"/early", "/inject", "/file?none"} {
		response, body, err := ask(t, "GET", url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != 500 || strings.Contains(body, "never seen") || response.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: got %d, %q, %v", path, response.StatusCode, body, response.Header)
		}
	}
}

// TestFailureHalfwayBreaksOff: a client must not take half a response for a whole one.
func TestFailureHalfwayBreaksOff(t *testing.T) {
	url := serve(t)
	if _, body, err := ask(t, "GET", url+"/late", nil); err == nil {
		t.Errorf("got %d bytes without an error", len(body))
	}
	if _, body, err := ask(t, "GET", url+"/toolate", nil); err == nil {
		t.Errorf("got %q without an error", body)
	}
	if _, body, err := ask(t, "GET", url+"/variable?REQUEST_METHOD", nil); err != nil || body != "yes GET" {
		t.Errorf("afterwards got %q, %v", body, err)
	}
}

func TestBody(t *testing.T) {
	url := serve(t)
	long := strings.Repeat("0123456789", 300_000)
	for name, body := range map[string]io.Reader{
		"sized":   strings.NewReader(long),
		"chunked": struct{ io.Reader }{strings.NewReader(long)},
	} {
		if _, got, err := ask(t, "POST", url+"/echo", body); err != nil || got != long {
			t.Errorf("%s: got %d bytes, %v, want %d", name, len(got), err, len(long))
		}
	}
	value := strings.Repeat("v", 5000) // longer than the first buffer
	if _, got, err := ask(t, "GET", url+"/header", nil, "X-Long-One", value); err != nil || got != value {
		t.Errorf("got %d bytes of a header, %v, want %d", len(got), err, len(value))
	}
}

func TestCount(t *testing.T) {
	var counted []string
	o := executor.Options{Logger: slog.New(slog.DiscardHandler), Count: func(name string, labels []string, delta float64) {
		counted = append(counted, fmt.Sprintf("%s%q+%g", name, labels, delta))
	}}
	e, err := extension.Open(testext.Compile(t, "testdata/probe.cpp"), o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(context.Background())
	w := httptest.NewRecorder()
	e.Execute(w, httptest.NewRequest(http.MethodGet, "/count?me", nil), &executor.Target{PathInfo: "/count", App: &executor.App{SiteID: 1, Path: "/"}})
	if got := w.Body.String(); got != "counted" {
		t.Errorf("answered %q, want counted", got)
	}
	if want := `orders[]+1 sold["by" "me" "to" "café"]+2.5`; strings.Join(counted, " ") != want {
		t.Errorf("counted %s, want %s", strings.Join(counted, " "), want)
	}
}
