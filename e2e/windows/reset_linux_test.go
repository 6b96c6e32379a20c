package windows

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/testext"
)

// TestAbortiveClose: HSE_REQ_ABORTIVE_CLOSE resets the connection, as a client outside of Wine sees: one inside may be told of its end.
func TestAbortiveClose(t *testing.T) {
	m := newMachine(t)
	dir, address := t.TempDir(), served.Free(t)
	served.Copy(t, testext.DLL(t, "amd64", "support"), filepath.Join(dir, "support.dll"))
	c := m.start(dir, "run", "support.dll", "--addr", address, "--in-process")
	c.shows("press Ctrl-C")
	for _, version := range []string{"1.0", "1.1"} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		fmt.Fprintf(conn, "GET /?1014/g/g/g HTTP/%s\r\nHost: x\r\n\r\n", version)
		if _, err := io.ReadAll(conn); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("HTTP/%s: the connection ends with %v, want a reset", version, err)
		}
	}
	c.press("\x03")
	c.ends(0)
}
