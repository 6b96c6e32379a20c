package hello_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid"
	"github.com/isapid/isapid/internal/testext"
)

var visit = regexp.MustCompile(`<p>Visit (\d+)\.</p>`)

// Many threads ask at once; each visit has its own number, and none is lost.
func TestVisits(t *testing.T) {
	url := serve(t, testext.Example(t, "pascal-hello"))
	const clients, each = 8, 50
	var mu sync.Mutex
	seen := map[int]bool{}
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				status, body := get(t, url)
				m := visit.FindStringSubmatch(body)
				if status != 200 || m == nil {
					t.Errorf("status %d, body %q; want a page with a visit's number", status, body)
					return
				}
				n, _ := strconv.Atoi(m[1])
				mu.Lock()
				seen[n] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for n := range clients * each {
		if !seen[n+1] {
			t.Errorf("nobody was visit %d", n+1)
		}
	}
}

func TestPageEscapes(t *testing.T) {
	url := serve(t, testext.Example(t, "pascal-hello"))
	if _, body := get(t, url+"/%3Cscript%3E"); !strings.Contains(body, "&lt;script&gt;") || strings.Contains(body, "<script>") {
		t.Errorf("body %q, want the path escaped", body)
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(body)
}

// serve runs the image and returns the server's URL.
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
	return server.URL
}
