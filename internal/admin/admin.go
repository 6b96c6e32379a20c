// Package admin is how the commands of isapid reach a running server: HTTP/1.1 with JSON over a Unix socket that only its owner
// and root may use. docs/control-api.md documents every path, field and error; a test compares. The order in which to read it:
//
//	admin.go    what can be asked of a server
//	status.go, message.go
//	            what goes over the socket
//	handler.go  one request
//	socket.go, peer.go
//	            the socket: where it may lie, who is let in
//	client.go   the other end
package admin

import (
	"context"
	"errors"
)

// Server is what is controlled. All methods may be called at any time, from many goroutines. None but Reload may wait for
// anything: they begin something, and Status shows how far it is. The name of a pool is one that [Status.Named] knows, or that of a
// pool with workers that has loaded nothing yet.
type Server interface {
	Status() Status

	// Recycle has a pool start a new generation; the reason is for the log. It does nothing to a pool without workers.
	Recycle(pool, reason string) error
	// StopPool ends the workers of a pool when they have finished their requests; further ones are answered 503.
	StopPool(pool string) error
	// StartPool undoes StopPool.
	StartPool(pool string) error

	// Reload reads the configuration again and changes what differs. After an error everything is as it was.
	Reload(ctx context.Context) (ReloadResult, error)
	// Drain begins the end of the server as SIGTERM does: no new connections, running requests finish, the process ends.
	Drain() error
}

// Errors a [Server] may return; wrapped ones count too. Any other error of Reload says what is wrong with the configuration,
// any other of the rest is unexpected.
var (
	ErrNoPool    = errors.New("there is no such pool")
	ErrInProcess = errors.New("the pool runs inside the server and has no workers")
	ErrEnding    = errors.New("the server is ending")
)
