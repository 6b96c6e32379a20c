package pascal_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid"
	"github.com/isapid/isapid/internal/testext"
)

// One fixed thread makes a library work that believes there is only one.
func TestNoThreadsOnOneThread(t *testing.T) {
	url := serve(t, testext.Fixture(t, "pascal_nothreads"), isapid.WithThreads(1))
	var wg sync.WaitGroup
	answers := make(chan string, 80)
	for range 8 {
		wg.Go(func() {
			for range 10 {
				_, body := get(t, url)
				answers <- body
			}
		})
	}
	wg.Wait()
	close(answers)
	seen := map[string]bool{}
	for a := range answers {
		seen[a] = true
	}
	for n := 1; n <= 80; n++ {
		if want := fmt.Sprintf("request %d on one thread\n", n); !seen[want] {
			t.Errorf("no answer %q", want)
		}
	}
}

func TestCaughtException(t *testing.T) {
	image := testext.Fixture(t, "pascal_exception")
	for _, threads := range []int{1, 25} {
		url := serve(t, image, isapid.WithThreads(threads))
		for range 100 {
			if status, body := get(t, url); status != 200 || body != "caught: disk on fire\n" {
				t.Fatalf("%d threads: status %d, body %q; want the exception caught", threads, status, body)
			}
		}
	}
}

// What a program would turn into EAccessViolation is the host's to contain in a library.
func TestAccessIsAFault(t *testing.T) {
	url := serve(t, testext.Fixture(t, "pascal_exception"))
	for range 3 {
		if status, _ := get(t, url+"/?access"); status != http.StatusInternalServerError {
			t.Errorf("status %d, want 500", status)
		}
		if _, body := get(t, url); body != "caught: disk on fire\n" {
			t.Errorf("after the fault: %q", body)
		}
	}
}

// An exception that nobody catches makes the run-time library end the process: a reason to isolate such code.
func TestUncaughtExceptionEndsTheProcess(t *testing.T) {
	const runtimeError = 217
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), victim+"="+testext.Fixture(t, "pascal_exception"), "TMPDIR="+t.TempDir())
	said, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != runtimeError || !strings.Contains(string(said), "disk on fire") {
		t.Errorf("%v, said %q; want exit status %d and the exception's message", err, said, runtimeError)
	}
}

// victim names, in the environment of a child, the image whose request it is to die of.
const victim = "ISAPID_TEST_VICTIM"

func TestMain(m *testing.M) {
	image := os.Getenv(victim)
	if image == "" {
		os.Exit(m.Run())
	}
	ext, err := isapid.Open(image)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ext.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/?uncaught", nil))
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
