// Package admin is how the commands of isapid reach a running server: HTTP/1.1 with JSON over a Unix socket that only its owner
// and root may use, or where the configuration says so over TLS with a token. docs/control-api.md documents every path, field and error; a test compares. The order in which to read it:
//
//	admin.go    what can be asked of a server
//	status.go, message.go
//	            what goes over the socket
//	images.go   how an operator names an image, and a version of it
//	handler.go  one request
//	swaps.go, stream.go, receive.go
//	            those that replace an image: what they do, how they tell it, where a new version arrives
//	insight.go  those that look into the server: requests, calls, metrics, crashes
//	places.go, socket.go
//	            where a server can be asked: the socket, and where it may lie; another one to look only; TCP
//	access.go, peer.go, tokens.go
//	            who is let in, and what the log says of him
//	client.go, target.go, clientswaps.go, clientinsight.go
//	            the other end
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/trace"
)

// Server is what is controlled. All methods may be called at any time, from many goroutines. None but Reload, Deploy,
// Rollback, Snoop and Record may wait for anything: they begin something, and Status shows how far it is. The name of a pool is one that [Status.Named] knows, or that of a
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

	// Images are those that can be replaced, and who uses them. What follows takes an image by its path there.
	Images() []Image

	// Deploy replaces an image by the version that file has. It returns the receipt, whatever the outcome, when the new version
	// serves or never will, or with wait when the swap has ended: the new version has come through its watch window and the old one is
	// unloaded, or the other way round. An error means that no swap began. The file may be read until then, and not
	// after. Who is for the receipt.
	//
	// While another swap of the image is under way, Deploy waits for its turn. Each step is told as it happens; there is never more
	// than one call of step at a time, and none after the end. When ctx ends, or the server, Deploy returns soon, with an error:
	// who has called does not wait any more. It says nothing about the swap, which goes on if it has begun.
	Deploy(ctx context.Context, image, who string, wait bool, file string, step func(swap.Step)) (swap.Receipt, error)
	// Rollback is Deploy of a version that is kept beside the image. Which, says to, in the words of [ParseVersion]; it fails with
	// [swap.ErrNoVersion]. A version in its watch window may be taken back instead: the receipt is that of its swap then.
	Rollback(ctx context.Context, image, to, who string, wait bool, step func(swap.Step)) (swap.Receipt, error)
	// History has the receipts of an image that are kept, the newest first.
	History(image string) ([]swap.Receipt, error)

	// Snoop sends the events that f wants to see, as package hub writes them, until ctx ends or the server: then it returns nil. Write is
	// called for the first time when everything that serves has heard of it, with whole records always, never twice at a time,
	// and not after the end; an error of it ends the snoop, without another error. Who is for the status. An error before the first write
	// says why nothing can be seen; it may be [hub.ErrFilter] or [hub.ErrMany].
	Snoop(ctx context.Context, who string, f trace.Filter, write func(p []byte) error) error
	// Record is Snoop for a tape of requests: with mask without the secrets in them.
	Record(ctx context.Context, who string, f trace.Filter, mask bool, write func(p []byte) error) error
	// InFlight are the requests that have not ended, oldest first, with what they are inside of; with calls also what they called before.
	InFlight(calls bool) []InFlight
	// Metrics answers what Prometheus asks. It lives as long as the server.
	Metrics() http.Handler
	// Crashes are the deaths and faults that are kept on file, newest first.
	Crashes() ([]Crash, error)
	// Crash is what is kept of one, as JSON; it fails with [ErrNoCrash].
	Crash(id string) (json.RawMessage, error)
	// Reopen closes the files of logs and opens them anew, by name.
	Reopen() error
}

// Errors a [Server] may return; wrapped ones count too, and ErrNoImage is shown with what it is wrapped in. Any other error of Reload
// says what is wrong with the configuration, any other of the rest is unexpected.
var (
	ErrNoPool    = errors.New("there is no such pool")
	ErrInProcess = errors.New("the pool runs inside the server and has no workers")
	ErrEnding    = errors.New("the server is ending")
	ErrNoImage   = errors.New("there is no such image")
	ErrNoCrash   = errors.New("there is no such crash")
)
