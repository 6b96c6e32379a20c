package remote_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/wire"
)

// TestUnlucky: a program under Wine that says it found its place in memory taken is started again, a few times. Here a shell says so.
func TestUnlucky(t *testing.T) {
	const script = `echo x >>"$0.tries"
if [ $(wc -l <"$0.tries") -le $UNLUCKY ]; then
	echo "err:virtual:virtual_alloc_first_teb wine: failed to map the shared user data: c0000018" >&2
	exit 1
fi
exec "$@"
`
	for _, row := range []struct {
		name, unlucky string
		tries         int
		starts        bool
	}{{"once", "1", 2, true}, {"always", "9", 3, false}} {
		t.Run(row.name, func(t *testing.T) {
			newScene(t)
			file := filepath.Join(t.TempDir(), "wine.sh")
			if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
			w, err := remote.Start(t.Context(), remote.Settings{Name: "test/1", Program: &remote.Program{
				Command: []string{"/bin/sh", file, os.Args[0]}, Env: []string{"UNLUCKY=" + row.unlucky}, Plain: os.Getenv(wire.PlainByEnv) == "1",
			}})
			if (err == nil) != row.starts {
				t.Fatal(err)
			}
			if err == nil {
				w.Kill("the test is over")
				<-w.Gone()
			} else if !strings.Contains(err.Error(), "exit code 1") {
				t.Error(err)
			}
			if tries, err := os.ReadFile(file + ".tries"); strings.Count(string(tries), "x") != row.tries {
				t.Errorf("tried %q times (%v), want %d", tries, err, row.tries)
			}
		})
	}
}
