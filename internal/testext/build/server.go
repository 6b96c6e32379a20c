package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/toolchain"
)

// ServerVariable is the environment variable with the address of a server of [Serve].
const ServerVariable = "ISAPID_BUILD_SERVER"

// answer is what a server says to a Request.
type answer struct {
	Library string                  `json:",omitempty"`
	Missing *toolchain.MissingError `json:",omitempty"`
	Error   string                  `json:",omitempty"`
}

// Serve answers one request on each connection of l, until ctx ends: then it closes l, and returns when nothing runs any more. Paths
// are those of the system the server runs on.
func Serve(ctx context.Context, l net.Listener, root string) {
	var running sync.WaitGroup
	defer running.Wait()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		c, err := l.Accept()
		if err != nil {
			l.Close()
			return
		}
		running.Go(func() { serve(ctx, c, root) })
	}
}

func serve(ctx context.Context, c net.Conn, root string) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	var r Request
	var a answer
	err := json.NewDecoder(c).Decode(&r)
	if err == nil {
		a.Library, err = Library(ctx, root, r)
	}
	if err != nil && !errors.As(err, &a.Missing) {
		a.Error = err.Error()
	}
	_ = json.NewEncoder(c).Encode(a) // who asked may have left
}

// Outside is the path that the system a server runs on knows, of one on a drive of Wine: Z: is its root folder, C: a part of the prefix.
// "" is nothing.
func Outside(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	drive, rest, _ := strings.Cut(strings.ReplaceAll(path, `\`, "/"), ":")
	switch strings.ToUpper(drive) {
	case "Z":
		return rest, nil
	case "C":
		return os.Getenv("WINEPREFIX") + "/drive_c" + rest, nil
	}
	return "", fmt.Errorf("%q is on no drive that the build server can read", path)
}

// Ask has the server at addr make a library. Paths are those of the system the server runs on. A missing compiler is a
// [*toolchain.MissingError].
func Ask(ctx context.Context, addr string, r Request) (string, error) {
	c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("ask the build server: %w", err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if err := json.NewEncoder(c).Encode(r); err != nil {
		return "", fmt.Errorf("ask the build server: %w", err)
	}
	var a answer
	if err := json.NewDecoder(c).Decode(&a); err != nil {
		return "", fmt.Errorf("ask the build server: %w", err)
	}
	switch {
	case a.Missing != nil:
		return "", a.Missing
	case a.Error != "":
		return "", errors.New(a.Error)
	}
	return a.Library, nil
}
