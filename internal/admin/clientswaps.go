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

// stuckLimit is how long the server may give no sign of life: takes no piece of a file and sends no line.
const stuckLimit = 6 * aliveEvery

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
	stuck := time.AfterFunc(c.stuckLimit, func() { cancel(context.DeadlineExceeded) })
	defer stuck.Stop()
	alive := func() { stuck.Reset(c.stuckLimit) }
	r, err := c.request(ctx, http.MethodPost, path, &watched{body, size, alive})
	if err != nil {
		return swap.Receipt{}, err
	}
	r.ContentLength = size
	r.Header.Set("Expect", "100-continue") // an error comes before the file is sent for nothing
	resp, err := c.http.Do(r)
	if err != nil {
		return swap.Receipt{}, c.lostIn(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return swap.Receipt{}, c.lostIn(ctx, err)
		}
		return swap.Receipt{}, refusal(resp, data)
	}
	for in := bufio.NewReader(resp.Body); ; {
		alive()
		text, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // there was no last line
		}
		if err != nil {
			return swap.Receipt{}, c.lostIn(ctx, err)
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
		} // else it only says that the server lives
	}
}

// lostIn is lost for a request that was ended when its server gave no sign of life.
func (c *Client) lostIn(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		err = context.DeadlineExceeded
	}
	return c.lost(err)
}

// FileError says why a file could not be sent.
type FileError struct{ Err error }

func (e *FileError) Unwrap() error { return e.Err }
func (e *FileError) Error() string { return "the file cannot be sent: " + e.Err.Error() }

// watched puts off the end of a request while its body is taken, and knows the body's own errors again.
type watched struct {
	io.Reader
	left  int64 // bytes it must still have
	alive func()
}

func (w *watched) Read(b []byte) (int, error) {
	w.alive()
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
