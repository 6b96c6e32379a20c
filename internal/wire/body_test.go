package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

var never time.Time

// soonest is a deadline that is over as soon as anybody looks.
func soonest() time.Time { return time.Unix(1, 0) }

// TestBodyErrors: an error of a body is the same at the other end, as far as anybody asks.
func TestBodyErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		is   error
		what BodyError
	}{
		{nil, io.EOF, BodyFine},
		{io.EOF, io.EOF, BodyFine},
		{io.ErrUnexpectedEOF, io.ErrUnexpectedEOF, BodyUnexpected},
		{fmt.Errorf("read: %w", syscall.ECONNRESET), syscall.ECONNRESET, BodyReset},
		{context.Canceled, syscall.ECONNRESET, BodyReset},
		{os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, BodyTimeout},
		{&net.OpError{Err: os.ErrDeadlineExceeded}, os.ErrDeadlineExceeded, BodyTimeout},
		{net.ErrClosed, net.ErrClosed, BodyClosed},
		{http.ErrBodyReadAfterClose, net.ErrClosed, BodyClosed},
		{errors.New("bad chunk"), errBodyBroken, BodyBroken},
	} {
		what, limit := bodyErrorOf(c.err)
		if what != c.what || !errors.Is(what.err(limit), c.is) {
			t.Errorf("%v became %v %v", c.err, what, what.err(limit))
		}
	}
	what, limit := bodyErrorOf(fmt.Errorf("read: %w", &http.MaxBytesError{Limit: 77}))
	var tooLarge *http.MaxBytesError
	if !errors.As(what.err(limit), &tooLarge) || tooLarge.Limit != 77 {
		t.Errorf("%v", what.err(limit))
	}
}

// step is what one Read of a scripted body does.
type step struct {
	text string
	err  error
}

type script struct{ steps []step }

func (s *script) Read(p []byte) (int, error) {
	if len(s.steps) == 0 {
		return 0, io.EOF
	}
	now := s.steps[0]
	s.steps = s.steps[1:]
	return copy(p, now.text), now.err
}

// TestBodies: what a reader is given of a body, and how it ends.
func TestBodies(t *testing.T) {
	for name, c := range map[string]struct {
		ahead  string
		steps  []step
		want   string
		err    error
		hangUp bool
	}{
		"empty":      {"", nil, "", nil, false},
		"ahead":      {"abc", []step{{"def", nil}}, "abcdef", nil, false},
		"with end":   {"", []step{{"abc", io.EOF}}, "abc", nil, false},
		"unexpected": {"", []step{{"abc", nil}, {"de", io.ErrUnexpectedEOF}}, "abcde", io.ErrUnexpectedEOF, true},
		"reset":      {"a", []step{{"b", syscall.ECONNRESET}}, "ab", syscall.ECONNRESET, true},
		"too large":  {"", []step{{"abc", &http.MaxBytesError{Limit: 3}}}, "abc", &http.MaxBytesError{}, true},
		"late":       {"", []step{{"a", nil}, {"b", os.ErrDeadlineExceeded}, {"", os.ErrDeadlineExceeded}, {"c", nil}}, "ab|", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			front, _ := pair(t, func(x *Exchange) {
				defer x.End(ended(200))
				var got strings.Builder
				_, err := io.Copy(&got, x.Body())
				for range 2 {
					if errors.Is(err, os.ErrDeadlineExceeded) {
						got.WriteByte('|')
						_, err = io.Copy(&got, x.Body())
					}
				}
				want := c.want
				if name == "late" {
					want = "ab||c"
				}
				var tooLarge *http.MaxBytesError
				if got.String() != want || !errors.Is(err, c.err) && !(errors.As(c.err, &tooLarge) && errors.As(err, &tooLarge)) {
					t.Errorf("got %q, %v, want %q, %v", got.String(), err, want, c.err)
				}
				if c.err != nil { // it stays
					if _, again := x.Body().Read(make([]byte, 1)); again == nil {
						t.Error("a body goes on after its end")
					}
				}
			})
			q := post(-1)
			q.HTTP.Body = []byte(c.ahead)
			a := &client{}
			must(t, do(t, front, &page{}, q, &script{c.steps}, a, nil))
			if a.hangUp != c.hangUp {
				t.Errorf("the connection is to be closed: %v, want %v", a.hangUp, c.hangUp)
			}
		})
	}
}

// TestInterruptedUpload: a body that fails for a while again and again breaks no limit, however much credit is on its way.
func TestInterruptedUpload(t *testing.T) {
	leavesNothing(t)
	const size = 8 << 20
	front, _ := pair(t, func(x *Exchange) {
		n, timeouts := 0, 0
		b := make([]byte, 5000)
		for {
			k, err := x.Body().Read(b)
			n += k
			if errors.Is(err, os.ErrDeadlineExceeded) {
				timeouts++
				continue
			}
			if err != nil {
				if n != size || timeouts == 0 || !errors.Is(err, io.EOF) {
					t.Errorf("%d bytes, %d timeouts, %v", n, timeouts, err)
				}
				break
			}
		}
		x.End(ended(200))
	})
	must(t, do(t, front, &page{}, post(size), &hiccup{r: newRandom(size, 3)}, &client{}, nil))
}

// hiccup is a body that fails for a while with every third read.
type hiccup struct {
	r io.Reader
	n int
}

func (h *hiccup) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if h.n++; h.n%3 == 0 && err == nil {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// TestReadDeadline: no byte is lost when a read is interrupted.
func TestReadDeadline(t *testing.T) {
	leavesNothing(t)
	interrupted := make(chan struct{})
	front, _ := pair(t, func(x *Exchange) {
		_ = http.NewResponseController(x).SetReadDeadline(soonest())
		if _, err := x.Body().Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		close(interrupted)
		_ = http.NewResponseController(x).SetReadDeadline(never)
		if body, err := io.ReadAll(x.Body()); string(body) != "late" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
		x.End(ended(200))
	})
	r, w := io.Pipe()
	answer := do(t, front, &page{}, post(-1), r, &client{}, nil)
	soon(t, "the interruption", interrupted)
	io.WriteString(w, "late")
	w.Close()
	must(t, answer)
}

// TestUnreadBody: a body that nobody asks for is not read; the connection cannot be used again. One that is being read is
// interrupted.
func TestUnreadBody(t *testing.T) {
	leavesNothing(t)
	reading := make(chan struct{})
	front, _ := pair(t, func(x *Exchange) {
		if x.Req.HTTP.Path == "/read" {
			go func() { _, _ = x.Body().Read(make([]byte, 1)) }()
			<-reading
		}
		x.End(ended(200))
	})
	a := &client{}
	must(t, do(t, front, &page{}, post(-1), &script{[]step{{"", errors.New("was read")}}}, a, nil))
	if !a.hangUp {
		t.Error("the connection is kept")
	}
	r, w := io.Pipe()
	q := post(-1)
	q.HTTP.Path = "/read"
	a = &client{}
	body := readerFunc(func(p []byte) (int, error) { close(reading); return r.Read(p) })
	_, _, err := front.Do(t.Context(), &page{}, q, body, func() { w.CloseWithError(os.ErrDeadlineExceeded) }, a, nil)
	if err != nil || !a.hangUp {
		t.Errorf("%v, the connection is to be closed: %v", err, a.hangUp)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
