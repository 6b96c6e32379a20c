//go:build cgo

package main_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid"
	"github.com/isapid/isapid/internal/testext"
)

func TestMux(t *testing.T) {
	url := serve(t, testext.Example(t, "go-mux"), isapid.WithMount("/go-mux.so"))
	tests := []struct {
		method, path, body string
		status             int
		contentType, want  string
	}{
		{"GET", "/hello/Ada", "", 200, "text/html; charset=utf-8", "<!doctype html>\n<title>Hello</title>\n<p>Hello, Ada!</p>\n"},
		{"GET", "/hello/%3Cb%3E", "", 200, "text/html; charset=utf-8", "<!doctype html>\n<title>Hello</title>\n<p>Hello, &lt;b&gt;!</p>\n"},
		{"POST", "/echo", `{"a":1}`, 200, "application/json", `{"a":1}`},
		{"POST", "/echo", strings.Repeat("long ", 50_000), 200, "application/json", strings.Repeat("long ", 50_000)},
		{"GET", "/echo", "", 405, "text/plain; charset=utf-8", "Method Not Allowed\n"},
		{"GET", "/ticks?n=2", "", 200, "text/plain; charset=utf-8", "tick 1 of 2\ntick 2 of 2\n"},
		{"GET", "/ticks?n=x", "", 400, "text/plain; charset=utf-8", "n must be a number from 1 to 1000\n"},
		{"GET", "/none", "", 404, "text/plain; charset=utf-8", "404 page not found\n"},
	}
	for _, tt := range tests {
		status, contentType, body := do(t, tt.method, url+tt.path, tt.body)
		if status != tt.status || contentType != tt.contentType || body != tt.want {
			t.Errorf("%s %s: %d %q %.80q, want %d %q %.80q", tt.method, tt.path, status, contentType, body,
				tt.status, tt.contentType, tt.want)
		}
	}
	_, _, body := do(t, "GET", url+"/variables?q", "")
	var got map[string]string
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	if got["SCRIPT_NAME"] != "/go-mux.so" || got["PATH_INFO"] != "/variables" || got["QUERY_STRING"] != "q" {
		t.Errorf("variables %v", got)
	}
}

func do(t *testing.T, method, url, body string) (status int, contentType, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(b)
}

// serve runs the image at /go-mux.so and returns that URL.
func serve(t *testing.T, image string, opts ...isapid.Option) string {
	t.Helper()
	ext, err := isapid.Open(image, opts...)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(ext)
	t.Cleanup(func() {
		server.Close()
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := ext.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return server.URL + "/go-mux.so"
}
