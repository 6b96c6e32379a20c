package admin

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	askLimit  = 10 * time.Second // for an answer; that to a reload may take reloadLimit longer
	maxAnswer = 64 << 20         // bytes; a request in flight with its calls is 2 KiB
)

// Client asks the server behind a [Target]. The methods mean what those of [Server] mean; an error is an [*Error] when the
// server has refused, a [*NoServerError] when there is no answer.
type Client struct {
	target Target
	http   *http.Client

	stuckLimit time.Duration
}

// NewClient makes a client of the server at socket. The caller must call Close.
func NewClient(socket string) *Client { return newClient(Target{Socket: socket}, nil) }

func newClient(t Target, conf *tls.Config) *Client {
	c := &Client{target: t, stuckLimit: stuckLimit}
	transport := &http.Transport{ExpectContinueTimeout: askLimit, TLSClientConfig: conf, TLSHandshakeTimeout: askLimit}
	if t.URL == "" {
		transport.DialContext = c.dial
	}
	c.http = &http.Client{Transport: transport}
	return c
}

// Close gives back the connection.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// request makes a request for a path, with its query.
func (c *Client) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	base := "http://isapid" // the name does not matter
	if c.target.URL != "" {
		base = c.target.URL
	}
	r, err := http.NewRequestWithContext(ctx, method, base+path, body)
	if err == nil && c.target.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.target.Token)
	}
	return r, err
}

// NoServerError says that no server answers at a place.
type NoServerError struct {
	Place string // path of a socket, or URL
	Err   error
}

func (e *NoServerError) Unwrap() error { return e.Err }

func (e *NoServerError) Error() string {
	switch {
	case errors.Is(e.Err, errDied):
		return fmt.Sprintf("the isapid at %s has died: %v", e.Place, e.Err)
	case errors.Is(e.Err, context.DeadlineExceeded):
		return fmt.Sprintf("the isapid at %s does not answer: it hangs, or the machine is very busy", e.Place)
	case strings.Contains(e.Place, "://"):
		return fmt.Sprintf("no isapid answers at %s: %v%s", e.Place, e.Err, tlsHint(e.Err))
	case nobody(e.Err):
		return fmt.Sprintf("no isapid answers at %s: is it running? If it uses another socket, name that with --socket, or its configuration with --config", e.Place)
	}
	return fmt.Sprintf("no isapid answers at %s: %v", e.Place, e.Err)
}

// dial connects to the server and looks whether it is one to trust: in a folder for all, anybody could have put a socket.
func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	socket := c.target.Socket
	conn, err := dial(ctx, socket)
	if errors.Is(err, fs.ErrPermission) {
		err = errors.New(elsewhere)
	}
	if err != nil {
		return nil, &NoServerError{socket, err}
	}
	if err := c.target.trust(conn); err != nil {
		conn.Close()
		return nil, &NoServerError{socket, err}
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
	r, err := c.request(ctx, method, path, bytes.NewReader(body))
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
	return fmt.Errorf("the answer of the isapid at %s cannot be read: %w; are both of the same version?", c.target.place(), err)
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
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // which says neither path nor method: nobody has asked for these
	}
	return &NoServerError{c.target.place(), err}
}
