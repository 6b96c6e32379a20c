package windows

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/testext"
)

// TestBeside: a DLL is told that it lies where its original does, not the private copy that is loaded, so that what it makes beside itself stays.
func TestBeside(t *testing.T) {
	m := newMachine(t)
	for name, mode := range map[string][]string{"in-process": {"--in-process"}, "isolated": nil} {
		t.Run(name, func(t *testing.T) {
			dir, address := t.TempDir(), served.Free(t)
			helper := testext.DLL(t, "amd64", "world_helper", "-DVERSION=1")
			served.Copy(t, helper, filepath.Join(dir, "world_helper.dll"))
			served.Copy(t, testext.DLL(t, "amd64", "world", helper, "-DBUILD=1", "-lole32", "-lws2_32", "-lodbc32"), filepath.Join(dir, "world.dll"))
			c := m.in(t).start(dir, append([]string{"run", "world.dll", "--addr", address}, mode...)...)
			c.shows("press Ctrl-C")
			for query, want := range map[string]string{"module": "Z:" + strings.ReplaceAll(dir, "/", `\`) + `\world.dll`, "count=count.txt": "1"} {
				resp, err := http.Get("http://" + address + "/?" + query)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if body, err := io.ReadAll(resp.Body); string(body) != want {
					t.Errorf("%s: got %q %v, want %q", query, body, err, want)
				}
			}
			c.press("\x03")
			c.ends(0)
			if text, err := os.ReadFile(filepath.Join(dir, "count.txt")); string(text) != "1" {
				t.Errorf("after the end count.txt beside the DLL has %q (%v)", text, err)
			}
		})
	}
}
