package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Limits of a connection. Requests are a few hundred bytes from this machine: who takes longer is none of our commands.
const (
	readLimit = 5 * time.Second
	idleLimit = 30 * time.Second
	maxHeader = 8 << 10 // bytes; net/http adds 4096
)

// Socket is a control socket with a server behind it. Make it with [Listen].
type Socket struct {
	path   string
	file   fs.FileInfo // of the socket, to know it again
	http   *http.Server
	log    *slog.Logger
	served chan struct{}      // closed when no connection is accepted any more
	conns  sync.WaitGroup     // connections, with their requests
	leave  context.CancelFunc // has requests return that wait for what goes on without them
}

// Listen makes the socket at path, an absolute one, and answers requests for s on it until [Socket.Close], which the caller must
// call. The folder is made if need be, for its owner alone; one that another user owns or may write to is refused. What a dead
// server left is replaced; for a living one the error gives the process id. A nil log is [slog.Default].
func Listen(path string, s Server, log *slog.Logger) (*Socket, error) {
	if log == nil {
		log = slog.Default()
	}
	l, file, err := bind(path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	life, leave := context.WithCancel(context.Background())
	c := &Socket{path: path, file: file, log: log, served: make(chan struct{}), leave: leave}
	c.http = &http.Server{
		Handler:        &handler{server: s, log: log, life: life},
		ReadTimeout:    readLimit,
		IdleTimeout:    idleLimit,
		MaxHeaderBytes: maxHeader,
		ConnContext:    withPeer,
		ConnState:      c.count,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go c.serve(l)
	return c, nil
}

func (c *Socket) serve(l net.Listener) {
	defer close(c.served)
	if err := c.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		c.log.Error("control socket failed: commands do not reach this server any more", "socket", c.path, "error", err)
	}
}

// count keeps connections in mind until their goroutine ends.
func (c *Socket) count(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		c.conns.Add(1)
	case http.StateClosed:
		c.conns.Done()
	default:
	}
}

// Close removes the socket, waits for running requests until ctx ends, then closes their connections and waits for what still
// runs: at most a Reload. Nobody waits for a swap any longer then. An error says what was left behind.
func (c *Socket) Close(ctx context.Context) error {
	err := c.remove() // first: as long as it is listened on, nobody else takes the place
	if c.http.Shutdown(ctx) != nil {
		c.leave()
		c.http.Close()
	}
	defer c.leave()
	<-c.served
	c.conns.Wait()
	return err
}

// remove leaves alone what somebody else has put in the place.
func (c *Socket) remove() error {
	now, err := os.Lstat(c.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && os.SameFile(now, c.file):
		err = os.Remove(c.path)
	}
	return err
}

// bind makes the socket, for its owner alone.
func bind(path string) (l *net.UnixListener, file fs.FileInfo, err error) {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, nil, fmt.Errorf("its folder cannot be made: %w; name another place with control.socket", err)
	}
	if err := checkFolder(folder); err != nil {
		return nil, nil, err
	}
	unlock, err := lockFolder(folder) // two servers that start at a time must not both replace the same dead socket
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	if err := vacate(path); err != nil {
		return nil, nil, err
	}
	if l, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}); err != nil {
		return nil, nil, err
	}
	l.SetUnlinkOnClose(false) // Close looks first whose it is
	if err = os.Chmod(path, 0o600); err == nil {
		file, err = os.Lstat(path)
	}
	if err != nil {
		l.Close()
		os.Remove(path)
		return nil, nil, err
	}
	return l, file, nil
}

// vacate removes the socket of a server that is gone.
func vacate(path string) error {
	file, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case file.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("%s is there and is no socket: remove it or name another place with control.socket", path)
	}
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	c, err := dial(ctx, path)
	switch {
	case err == nil:
		who := peerOfConn(c)
		c.Close()
		return fmt.Errorf("another isapid serves at %s%s: stop it or set control.socket", path, who)
	case !nobody(err):
		return fmt.Errorf("it cannot be told whether another isapid serves here: %w; stop it or set control.socket", err)
	}
	return os.Remove(path)
}

func dial(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}
