package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/trace"
)

// patience ends what waits for something that never comes; no result depends on it.
const patience = 30 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// roles are what the test binary does as another process, which [startRole] starts.
var roles = map[string]func(socket string) error{
	"serve": func(socket string) error {
		if _, err := Listen(socket, &fake{}, slog.New(slog.DiscardHandler)); err != nil {
			return err
		}
		fmt.Println("serving")
		select {} // until it is killed
	},
	"ask": func(socket string) error {
		c := NewClient(socket)
		defer c.Close()
		_, err := c.Status(context.Background())
		return err
	},
}

const roleVariable = "ISAPID_ADMIN_TEST_ROLE"

// startRole makes a command that plays a role on socket.
func startRole(ctx context.Context, role, socket string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, self, socket)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return cmd
}

// TestMain plays a role, or fails when a goroutine outlives the tests.
func TestMain(m *testing.M) {
	if role := roles[os.Getenv(roleVariable)]; role != nil {
		if err := role(os.Args[1]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	before := runtime.NumGoroutine()
	if runtime.GOOS == "windows" {
		before++ // go-winio has one for all pipes, from the first one on
	}
	code := m.Run()
	for end := time.Now().Add(patience); code == 0 && runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "goroutines outlive the tests:\n%s\n", stacks[:runtime.Stack(stacks, true)])
			code = 1
		}
	}
	os.Exit(code)
}

// fake is a server that does nothing but remember what it was asked.
type fake struct {
	status Status
	err    error // of everything but Status
	reload func(context.Context) (ReloadResult, error)
	asked  []string

	inFlight []InFlight
	snoop    func(ctx context.Context, write func([]byte) error) error // Snoop and Record
	crash    map[string]string                                         // JSON, by ID

	images   []Image
	swap     func(ctx context.Context, file string, step func(swap.Step)) (swap.Receipt, error) // Deploy and Rollback, which has no file
	receipts []swap.Receipt
}

func (f *fake) Status() Status { return f.status }

func (f *fake) ask(what string) error {
	f.asked = append(f.asked, what)
	return f.err
}

func (f *fake) Recycle(pool, reason string) error { return f.ask("recycle " + pool + ": " + reason) }
func (f *fake) StopPool(pool string) error        { return f.ask("stop " + pool) }
func (f *fake) StartPool(pool string) error       { return f.ask("start " + pool) }
func (f *fake) Drain() error                      { return f.ask("drain") }

func (f *fake) Reload(ctx context.Context) (ReloadResult, error) {
	if f.reload != nil {
		return f.reload(ctx)
	}
	return ReloadResult{}, f.ask("reload")
}

func (f *fake) Images() []Image { return f.images }

func (f *fake) Deploy(ctx context.Context, image, who string, wait bool, file string, step func(swap.Step)) (swap.Receipt, error) {
	return f.replace(ctx, fmt.Sprintf("%s: %s, wait %v", who, image, wait), file, step)
}

func (f *fake) Rollback(ctx context.Context, image, to, who string, wait bool, step func(swap.Step)) (swap.Receipt, error) {
	return f.replace(ctx, fmt.Sprintf("%s: %s to %q, wait %v", who, image, to, wait), "", step)
}

func (f *fake) replace(ctx context.Context, what, file string, step func(swap.Step)) (swap.Receipt, error) {
	if err := f.ask(what); err != nil || f.swap == nil {
		return swap.Receipt{}, err
	}
	return f.swap(ctx, file, step)
}

func (f *fake) History(image string) ([]swap.Receipt, error) {
	return f.receipts, f.ask("history " + image)
}

func (f *fake) InFlight(calls bool) []InFlight {
	list := slices.Clone(f.inFlight)
	for i := range list {
		if !calls {
			list[i].LastCalls = nil
		}
	}
	return list
}

func (f *fake) Snoop(ctx context.Context, who string, filter trace.Filter, write func([]byte) error) error {
	if err := f.ask(fmt.Sprintf("snoop for %s: %+v", who, filter)); err != nil || f.snoop == nil {
		return err
	}
	return f.snoop(ctx, write)
}

func (f *fake) Record(ctx context.Context, who string, filter trace.Filter, mask bool, write func([]byte) error) error {
	if err := f.ask(fmt.Sprintf("record for %s: %+v, mask %v", who, filter, mask)); err != nil || f.snoop == nil {
		return err
	}
	return f.snoop(ctx, write)
}

func (f *fake) Metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "isapid_up 1\n") })
}

func (f *fake) Crashes() (list []Crash, err error) {
	for id := range f.crash {
		list = append(list, Crash{ID: id, Text: "it died"})
	}
	return list, f.err
}

func (f *fake) Crash(id string) (json.RawMessage, error) {
	if text, ok := f.crash[id]; ok {
		return json.RawMessage(text), nil
	}
	return nil, ErrNoCrash
}

func (f *fake) Reopen() error { return f.ask("reopen") }
