//go:build windows || (unix && cgo)

package filter_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/trace"
	"github.com/isapid/isapid/internal/trace/tracetest"
	"github.com/isapid/isapid/internal/underwine"
)

// TestListened: everything is as it is when nobody listens.
func TestListened(t *testing.T) {
	if testing.Short() || os.Getenv(listened) != "" {
		t.Skip("it is all tests once more")
	}
	if underwine.Version() != "" {
		t.Skip("it is all tests once more, which take their time under Wine 8")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.short", "-test.skip=^TestMemoryIsFlat$") // to be listened to takes memory
	cmd.Env = append(os.Environ(), listened+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// varying is what is another each time.
var varying = regexp.MustCompile(`( ms=|DESCRIPTOR\(\) = TRUE answer=|HttpFilterProc\+0x)[0-9a-f]+`)

// onWindows is what is another there.
var onWindows = strings.NewReplacer("GetUserToken() = FALSE ERROR_NO_TOKEN (1008)", "GetUserToken() = TRUE",
	"SIGSEGV (address not mapped)", "EXCEPTION_ACCESS_VIOLATION (writing)", "filter_watched.so", "filter_watched.dll")

// TestTraced: what the fixture calls is seen with its arguments, and no secret. With ISAPID_TEST_UPDATE in the environment the files are
// written anew.
func TestTraced(t *testing.T) {
	for _, one := range []struct{ name, url string }{
		{"calls", "/file/page.txt?calls"},
		{"respond", "/file/page.txt?respond"},
		{"crash", "/file/page.txt?crash"},
		{"denied", "/error/403?denied"},
	} {
		t.Run(one.name, func(t *testing.T) {
			s := start(t)
			tap, l := tracetest.New(t, trace.Filter{Body: 100})
			f := s.load(testext.Fixture(t, "filter_watched"), func(c *filter.Config) {
				c.Tap, c.Image = tap, &trace.Image{Number: 5, Path: "/app.so"}
			})
			s.chain = []filter.Member{{Filter: f}}
			r, err := http.NewRequest("GET", s.srv.URL+one.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.SetBasicAuth("alice", "s3cr3t")
			r.Header.Set("Cookie", "s3cr3t=1")
			res, err := s.srv.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			s.stop()
			_ = f.Close()
			b := l.Bytes()
			for _, secret := range []string{"s3cr3t", "d29uZGVybGFuZ", "czNjcjN0"} { // the last are Basic credentials
				if bytes.Contains(b, []byte(secret)) {
					t.Errorf("%q has left the process", secret)
				}
			}
			list := tracetest.Decode(t, b)
			for _, e := range list {
				if e.Image != 5 {
					t.Errorf("%s: image %d", e.Func, e.Image)
				}
			}
			got := strings.Join(tracetest.Lines(list), "\n") + "\n"
			root := strings.Trim(strconv.Quote(s.host.root), `"`)
			got = strings.ReplaceAll(strings.ReplaceAll(got, root, "/root"), strings.TrimPrefix(s.srv.URL, "http://"), "host")
			got = varying.ReplaceAllString(got, "$1…")
			file := "testdata/traced/" + one.name + ".txt"
			if os.Getenv("ISAPID_TEST_UPDATE") != "" {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if runtime.GOOS == "windows" {
				want = []byte(onWindows.Replace(string(want)))
			}
			if got != string(want) {
				t.Errorf("events:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}
