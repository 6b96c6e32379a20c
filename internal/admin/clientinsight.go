package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/isapid/isapid/internal/trace"
)

// Requests asks for the status with the requests in flight; with calls also for what they called before.
func (c *Client) Requests(ctx context.Context, calls bool) (Status, error) {
	return ask[Status](ctx, c, http.MethodGet, pathStatus+"?requests=true&calls="+strconv.FormatBool(calls), nil, askLimit)
}

// Crashes asks for the deaths and faults that are kept on file.
func (c *Client) Crashes(ctx context.Context) ([]Crash, error) {
	result, err := ask[CrashesResult](ctx, c, http.MethodGet, pathCrashes, nil, askLimit)
	return result.Crashes, err
}

// Crash asks for one of them, with all that is known.
func (c *Client) Crash(ctx context.Context, id string) (json.RawMessage, error) {
	return ask[json.RawMessage](ctx, c, http.MethodGet, pathCrashes+"?"+url.Values{"id": {id}}.Encode(), nil, askLimit)
}

// Reopen has the server open its log files anew.
func (c *Client) Reopen(ctx context.Context) error {
	_, err := ask[struct{}](ctx, c, http.MethodPost, pathReopen, struct{}{}, askLimit)
	return err
}

// Snoop asks for the events that f wants to see, as a stream of package hub. Everything that serves has heard of it when Snoop returns. The
// caller must close the stream; io.EOF means that the server has ended it. It fails when ctx ends, or the server gives no sign of life.
func (c *Client) Snoop(ctx context.Context, f trace.Filter) (io.ReadCloser, error) {
	return c.open(ctx, pathSnoop, f)
}

// Record asks for a tape. What it returns is as for Snoop.
func (c *Client) Record(ctx context.Context, asked RecordRequest) (io.ReadCloser, error) {
	return c.open(ctx, pathRecord, asked)
}

// open asks with in and returns the answer as it comes.
func (c *Client) open(ctx context.Context, path string, in any) (io.ReadCloser, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	s := &stream{ctx: ctx, client: c, cancel: cancel, began: time.Now()}
	s.stuck = time.AfterFunc(c.stuckLimit, func() { cancel(context.DeadlineExceeded) })
	r, err := c.request(ctx, http.MethodPost, path, bytes.NewReader(body))
	if err == nil {
		var resp *http.Response
		if resp, err = c.http.Do(r); err == nil {
			s.body = resp.Body
			if resp.StatusCode == http.StatusOK {
				return s, nil
			}
			var data []byte
			if data, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err == nil {
				err = refusal(resp, data)
				s.Close()
				return nil, err
			}
		}
	}
	err = c.lostIn(ctx, err)
	s.Close()
	return nil, err
}

// stream is an answer that goes on.
type stream struct {
	ctx    context.Context
	client *Client
	cancel context.CancelCauseFunc
	stuck  *time.Timer
	began  time.Time
	body   io.ReadCloser // nil: there is none yet
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	s.stuck.Reset(s.client.stuckLimit)
	if errors.Is(err, io.ErrUnexpectedEOF) && s.ctx.Err() == nil {
		return n, s.brokeOff()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = s.client.lostIn(s.ctx, err)
	}
	return n, err
}

var errDied = errors.New("it sent no end")

// brokeOff finds out why there was no end: the server did not want to wait for who reads, or it has died, and perhaps another is there.
func (s *stream) brokeOff() error {
	s.stuck.Stop()
	place := s.client.target.place()
	status, err := s.client.Status(s.ctx)
	_, gone := errors.AsType[*NoServerError](err)
	switch {
	case gone:
		return &NoServerError{place, errDied}
	case err == nil && time.Duration(status.Uptime)+time.Second < time.Since(s.began):
		return &NoServerError{place, fmt.Errorf("%w, and another has been started since", errDied)}
	}
	return fmt.Errorf("the isapid at %s has cut this off: what it sent was not read for %v s", place, writeLimit.Seconds())
}

// Close ends the stream.
func (s *stream) Close() error {
	s.stuck.Stop()
	s.cancel(nil)
	if s.body == nil {
		return nil
	}
	return s.body.Close()
}
