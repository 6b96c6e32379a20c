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
	"sync"
	"time"
)

// Limits of a connection. Requests are a few hundred bytes from this machine: who takes longer is none of our commands.
const (
	readLimit = 5 * time.Second
	idleLimit = 30 * time.Second
	maxHeader = 8 << 10 // bytes; net/http adds 4096
)

// Socket is one place at which a server listens for who asks: the control socket, made with [Listen], or another of [Doors].
type Socket struct {
	path   string      // or address
	file   fs.FileInfo // of the socket, to know it again; nil: it is no file
	addr   net.Addr    // of TCP
	http   *http.Server
	log    *slog.Logger
	served chan struct{}      // closed when no connection is accepted any more
	conns  sync.WaitGroup     // connections, with their requests
	leave  context.CancelFunc // has requests return that wait for what goes on without them
	look   context.CancelFunc // has those return that only look
}

// Listen makes the socket at path, an absolute one, and answers requests for s on it until [Socket.Close], which the caller must
// call. The folder is made if need be, for its owner alone; one that another user owns or may write to is refused. What a dead
// server left is replaced; for a living one the error gives the process id. On Windows path is that of a named pipe, and its access list keeps
// others out. A nil log is [slog.Default].
func Listen(path string, s Server, log *slog.Logger) (*Socket, error) {
	if log == nil {
		log = slog.Default()
	}
	b := binding{path: path, key: "control.socket"}
	l, file, err := b.bind()
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return newSocket(l, s, log, &Socket{path: path, file: file}, ownerOnly), nil
}

// newSocket completes c and answers who comes to l, if identify lets him in.
func newSocket(l net.Listener, s Server, log *slog.Logger, c *Socket, identify func(*http.Request) (caller, *Error)) *Socket {
	var life, looks context.Context
	life, c.leave = context.WithCancel(context.Background())
	looks, c.look = context.WithCancel(life)
	c.log, c.served = log, make(chan struct{})
	c.http = &http.Server{
		Handler:        &handler{server: s, log: log, identify: identify, life: life, looks: looks},
		ReadTimeout:    readLimit,
		IdleTimeout:    idleLimit,
		MaxHeaderBytes: maxHeader,
		ConnContext:    withPeer,
		ConnState:      c.count,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go c.serve(l)
	return c
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
// runs: at most a Reload. Nobody waits for a swap any longer then. Who only looks, as snoop does, is not waited for. An error says what was
// left behind.
func (c *Socket) Close(ctx context.Context) error {
	err := c.remove() // first: as long as it is listened on, nobody else takes the place
	c.look()
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
	if c.file == nil {
		return nil
	}
	now, err := os.Lstat(c.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && os.SameFile(now, c.file):
		err = os.Remove(c.path)
	}
	return err
}

// binding is a socket that is to be made. Each kind of system has its own bind.
type binding struct {
	path   string
	key    string // of the configuration, that names it
	shared bool   // others than the owner may come, to look
	group  string // who those are
}
