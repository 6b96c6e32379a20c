package metrics

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/isapid/isapid/e2e/served"
)

// start starts a program in a folder.
func start(t *testing.T, dir, name string, args ...string) *served.Process {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	return served.Start(t, cmd)
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
