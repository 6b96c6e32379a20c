package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	askLimit  = 10 * time.Second // for an answer; that to a reload may take reloadLimit longer
	maxAnswer = 16 << 20         // bytes
)

// Client asks the server behind a control socket. The methods mean what those of [Server] mean; an error is an [*Error] when the
// server has refused, a [*NoServerError] when there is no answer.
type Client struct {
	socket string
	http   *http.Client

	stuckLimit time.Duration
}

// NewClient makes a client of the server at socket. The caller must call Close.
func NewClient(socket string) *Client {
	c := &Client{socket: socket, stuckLimit: stuckLimit}
	c.http = &http.Client{Transport: &http.Transport{DialContext: c.dial, ExpectContinueTimeout: askLimit}}
	return c
}

// Close gives back the connection.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// NoServerError says that no server answers at a socket.
type NoServerError struct {
	Socket string
	Err    error
}

func (e *NoServerError) Unwrap() error { return e.Err }

func (e *NoServerError) Error() string {
	switch {
	case errors.Is(e.Err, context.DeadlineExceeded):
		return fmt.Sprintf("the isapid at %s does not answer: it hangs, or the machine is very busy", e.Socket)
	case nobody(e.Err):
		return fmt.Sprintf("no isapid answers at %s: is it running? If it uses another socket, name that with --socket, or its configuration with -c", e.Socket)
	}
	return fmt.Sprintf("no isapid answers at %s: %v", e.Socket, e.Err)
}

// dial connects to the server and looks whether it is one to trust: in a folder for all, anybody could have put a socket. Root
// trusts the server of any user.
func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	conn, err := dial(ctx, c.socket)
	if errors.Is(err, fs.ErrPermission) {
		err = errors.New("it belongs to another user: ask as that one, or as root")
	}
	if err != nil {
		return nil, &NoServerError{c.socket, err}
	}
	if who := peerOfConn(conn); !who.allowed() && os.Geteuid() != 0 {
		conn.Close()
		return nil, &NoServerError{c.socket, fmt.Errorf("what listens there belongs to user %d and is not trusted", who.uid)}
	}
	return conn, nil
}

// Status asks for the state of everything.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, http.MethodGet, pathStatus, nil, askLimit)
}

// Recycle begins a new generation of a pool.
func (c *Client) Recycle(ctx context.Context, pool, reason string) (PoolResult, error) {
	return ask[PoolResult](ctx, c, http.MethodPost, pathRecycle, PoolRequest{pool, reason}, askLimit)
}

// StopPool begins to end the workers of a pool.
func (c *Client) StopPool(ctx context.Context, pool string) (PoolResult, error) {
	return ask[PoolResult](ctx, c, http.MethodPost, pathStop, PoolRequest{Pool: pool}, askLimit)
}

// StartPool lets a pool that was stopped have workers again.
func (c *Client) StartPool(ctx context.Context, pool string) (PoolResult, error) {
	return ask[PoolResult](ctx, c, http.MethodPost, pathStart, PoolRequest{Pool: pool}, askLimit)
}

// Reload has the server read its configuration again, and returns when it has.
func (c *Client) Reload(ctx context.Context) (ReloadResult, error) {
	return ask[ReloadResult](ctx, c, http.MethodPost, pathReload, struct{}{}, reloadLimit+askLimit)
}

// Drain begins the end of the server.
func (c *Client) Drain(ctx context.Context) (DrainResult, error) {
	return ask[DrainResult](ctx, c, http.MethodPost, pathDrain, struct{}{}, askLimit)
}

// ask sends in as JSON, or nothing if it is nil, and reads the answer.
func ask[T any](ctx context.Context, c *Client, method, path string, in any, limit time.Duration) (out T, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var body []byte
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return out, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://isapid"+path, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(r)
	if err != nil {
		return out, c.lost(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return out, c.lost(err)
	}
	if resp.StatusCode != http.StatusOK {
		return out, refusal(resp, data)
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, c.unreadable(err)
	}
	return out, nil
}

// refusal is the error of an answer other than 200 that has data for a body.
func refusal(resp *http.Response, data []byte) error {
	e := &Error{Code: resp.StatusCode}
	if json.Unmarshal(data, e) != nil || e.Message == "" {
		e.Message = "the server answered " + resp.Status
	}
	return e
}

func (c *Client) unreadable(err error) error {
	return fmt.Errorf("the answer of the isapid at %s cannot be read: %w; are both of the same version?", c.socket, err)
}

// lost makes every failure to get an answer one kind of error, unless it is the caller who did not want to wait.
func (c *Client) lost(err error) error {
	if none, ok := errors.AsType[*NoServerError](err); ok {
		return none
	}
	if file, ok := errors.AsType[*FileError](err); ok {
		return file
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &NoServerError{c.socket, err}
}
