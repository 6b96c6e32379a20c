package conn

import (
	"errors"
	"io"
	"net/http"
)

// ReadAhead reads the beginning of the body of r into p, which must not be longer than the body is known to be. whole: there is no
// more of it. An error is that of the body, also when it breaks off where a chunked one looks as if it were complete.
func ReadAhead(r *http.Request, p []byte) (n int, whole bool, err error) {
	n, err = io.ReadFull(r.Body, p)
	switch {
	case err == nil:
		return n, int64(n) == r.ContentLength, nil
	case errors.Is(err, io.ErrUnexpectedEOF) && r.ContentLength < 0:
		// ReadFull says so of an end that came early, and the body of a connection that did.
		_, err = r.Body.Read(make([]byte, 1))
	}
	if errors.Is(err, io.EOF) && r.ContentLength < 0 {
		return n, true, nil
	}
	if errors.Is(err, io.EOF) || err == nil {
		err = io.ErrUnexpectedEOF
	}
	return n, false, err
}
