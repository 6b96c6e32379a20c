package front

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/testlog"
)

// serveFolder names the folder that this program serves as another process.
const serveFolder = "ISAPID_TEST_SERVE"

// serveUntilKilled is a server with the image shop.so of a folder; the environment says in which mode. It prints its URL.
func serveUntilKilled(folder string) {
	s := config.DefaultSite("test", folder)
	s.Bindings = []config.Binding{{Address: "127.0.0.1"}}
	s.Applications[0].Handlers = []config.Handler{{Path: "*", Extension: filepath.Join(folder, "shop.so")}}
	c := config.Default()
	c.Sites = []config.Site{s}
	p := c.Pools[config.DefaultPoolName]
	p.Mode = config.PoolMode(os.Getenv("ISAPID_TEST_MODE"))
	p.Update.Window = 20 * time.Millisecond
	if os.Getenv("ISAPID_TEST_HOLD") != "" {
		p.Update.Mode = config.UpdateHold
	}
	f, err := New(c, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err == nil {
		err = f.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(f.URLs()[0])
	os.Exit(int(exitOf(f.Serve(context.Background()))))
}

func exitOf(err error) byte {
	if err != nil {
		return 1
	}
	return 0
}

// TestKilledInASwap: however a server ends in the middle of a swap, there is a whole run file afterwards, the next server serves
// just that, and nothing else is left.
func TestKilledInASwap(t *testing.T) {
	times := 16
	if os.Getenv("ISAPID_SOAK") != "" {
		times = 500
	}
	for _, how := range []string{"isolated", "in-process", "isolated hold", "in-process hold"} {
		t.Run(how, func(t *testing.T) {
			x := &changing{T: t, folder: t.TempDir()}
			builds := map[[32]byte]string{}
			var versions [][]byte
			for n := 1; n <= 3; n++ {
				b := version(t, n)
				builds[sha256.Sum256(b)] = fmt.Sprint(n)
				versions = append(versions, b)
			}
			x.put("shop.so", versions[0])
			for n := range times/4 + 1 {
				s := x.launch(how)
				if status, body := get(t, s.url); status != 200 || strings.TrimSpace(body) != x.runs(builds) {
					t.Fatalf("start %d: %d %q, but the run file is version %s\n%s", n, status, body, x.runs(builds), s.log)
				}
				x.legal()
				next := versions[n%3]
				if n%2 == 0 {
					x.put("shop.update", next)
				} else {
					x.put("shop.so", next)
				}
				time.Sleep(time.Duration(rand.IntN(60_000)) * time.Microsecond)
				s.kill()
				if x.runs(builds) == "" {
					t.Fatalf("kill %d: the run file is no version", n)
				}
			}
		})
	}
}

// runs is the version that the run file is; "" if it is none.
func (x *changing) runs(builds map[[32]byte]string) string {
	x.Helper()
	b, err := os.ReadFile(x.path("shop.so"))
	if err != nil {
		x.Fatal(err)
	}
	return builds[sha256.Sum256(b)]
}

// legal checks that there are no files but those of the protocol. A server that was killed may have left one backup more than are kept;
// the next swap removes it.
func (x *changing) legal() {
	x.Helper()
	entries, err := os.ReadDir(x.folder)
	if err != nil {
		x.Fatal(err)
	}
	for _, e := range entries {
		switch e.Name() {
		case "shop.so", "shop.update", "shop.backup", "shop.backup.2", "shop.backup.3", "shop.backup.4", "shop.failed", "shop.failed.txt", "shop.journal", "shop.lock":
		default:
			x.Errorf("there is a %s", e.Name())
		}
	}
}

// launched is a server in another process.
type launched struct {
	url string
	cmd *exec.Cmd
	log *testlog.Buffer
}

func (x *changing) launch(how string) *launched {
	x.Helper()
	mode, hold, _ := strings.Cut(how, " ")
	s := &launched{cmd: exec.Command(os.Args[0]), log: &testlog.Buffer{}}
	s.cmd.Env = append(os.Environ(), serveFolder+"="+x.folder, "ISAPID_TEST_MODE="+mode, "ISAPID_TEST_HOLD="+hold)
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		x.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		x.Fatal(err)
	}
	x.Cleanup(s.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		x.Fatalf("%v\n%s", err, s.log)
	}
	s.url = strings.TrimSpace(line)
	return s
}

// kill ends it at once, and waits for its end.
func (s *launched) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}
