package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/isapid/isapid/internal/swap"
)

// stuckLimit is how long nothing may happen before a swap has begun: no piece of the file is taken, no step is told. From then on
// the steps decide how long it takes.
const stuckLimit = 2 * time.Minute

// Deploy sends a file of size bytes and has an image replaced by it; step is called for each step as it happens. When ctx ends the swap
// goes on, if it has begun.
func (c *Client) Deploy(ctx context.Context, image string, wait bool, file io.Reader, size int64, step func(swap.Step)) (swap.Receipt, error) {
	query := url.Values{"image": {image}, "wait": {strconv.FormatBool(wait)}}
	return c.follow(ctx, pathDeploy+"?"+query.Encode(), file, size, step)
}

// Rollback has an image replaced by a version that is kept beside it, as Deploy does.
func (c *Client) Rollback(ctx context.Context, image, to string, wait bool, step func(swap.Step)) (swap.Receipt, error) {
	body, err := json.Marshal(RollbackRequest{image, to, wait})
	if err != nil {
		return swap.Receipt{}, err
	}
	return c.follow(ctx, pathRollback, bytes.NewReader(body), int64(len(body)), step)
}

// History asks for the last receipts of an image, or all that are kept if last is 0.
func (c *Client) History(ctx context.Context, image string, last int) (HistoryResult, error) {
	return ask[HistoryResult](ctx, c, http.MethodPost, pathHistory, HistoryRequest{image, last}, askLimit)
}

// follow sends a body and reads the lines of the answer.
func (c *Client) follow(ctx context.Context, path string, body io.Reader, size int64, step func(swap.Step)) (swap.Receipt, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stuck := time.AfterFunc(stuckLimit, func() { cancel(context.DeadlineExceeded) })
	defer stuck.Stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://isapid"+path, &watched{body, size, stuck})
	if err != nil {
		return swap.Receipt{}, err
	}
	r.ContentLength = size
	r.Header.Set("Expect", "100-continue") // an error comes before the file is sent for nothing
	resp, err := c.http.Do(r)
	if err != nil {
		if context.Cause(ctx) == context.DeadlineExceeded {
			err = context.DeadlineExceeded
		}
		return swap.Receipt{}, c.lost(err)
	}
	defer resp.Body.Close()
	stuck.Stop()
	if resp.StatusCode != http.StatusOK {
		data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return swap.Receipt{}, c.lost(err)
		}
		return swap.Receipt{}, refusal(resp, data)
	}
	return c.steps(resp.Body, step)
}

// steps reads lines until the last.
func (c *Client) steps(from io.Reader, step func(swap.Step)) (swap.Receipt, error) {
	for in := bufio.NewReader(from); ; {
		text, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // there was no last line
		}
		if err != nil {
			return swap.Receipt{}, c.lost(err)
		}
		var line SwapLine
		if err := json.Unmarshal(text, &line); err != nil {
			return swap.Receipt{}, c.unreadable(err)
		}
		switch {
		case line.Step != nil:
			step(*line.Step)
		case line.Error != nil:
			line.Error.Code = line.Status
			return swap.Receipt{}, line.Error
		case line.Receipt != nil:
			return *line.Receipt, nil
		} // else it says something that this version does not know
	}
}

// FileError says why a file could not be sent.
type FileError struct{ Err error }

func (e *FileError) Unwrap() error { return e.Err }
func (e *FileError) Error() string { return "the file cannot be sent: " + e.Err.Error() }

// watched puts off the end of a request while its body is taken, and knows the body's own errors again.
type watched struct {
	io.Reader
	left  int64 // bytes it must still have
	stuck *time.Timer
}

func (w *watched) Read(b []byte) (int, error) {
	w.stuck.Reset(stuckLimit)
	n, err := w.Reader.Read(b)
	w.left -= int64(n)
	switch {
	case err == io.EOF && w.left > 0:
		err = &FileError{errors.New("it became shorter meanwhile")}
	case err != nil && err != io.EOF:
		err = &FileError{err}
	}
	return n, err
}
