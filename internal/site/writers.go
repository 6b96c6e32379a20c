package site

import (
	"io"
	"net/http"
)

// challenging adds to a 401 of somebody else how to come in.
type challenging struct {
	http.ResponseWriter
	auth *auth
}

func (c *challenging) WriteHeader(status int) {
	if status == http.StatusUnauthorized {
		c.auth.addTo(c.Header())
	}
	c.ResponseWriter.WriteHeader(status)
}

// Unwrap lets [http.ResponseController] reach what the server's writer can do besides.
func (c *challenging) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// ReadFrom keeps the system's way of sending a file without copying it.
func (c *challenging) ReadFrom(src io.Reader) (int64, error) { return io.Copy(c.ResponseWriter, src) }

// counting knows what of a response has been sent.
type counting struct {
	http.ResponseWriter
	status int   // 0: nothing
	bytes  int64 // of the body
}

func (c *counting) WriteHeader(status int) {
	if c.status == 0 && status >= http.StatusOK {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *counting) Write(p []byte) (int, error) {
	c.begin()
	n, err := c.ResponseWriter.Write(p)
	c.bytes += int64(n)
	return n, err
}

// begin is called where net/http sends status 200 if there is none yet.
func (c *counting) begin() {
	if c.status == 0 {
		c.status = http.StatusOK
	}
}

// Unwrap is that of challenging.
func (c *counting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// ReadFrom is that of challenging.
func (c *counting) ReadFrom(src io.Reader) (int64, error) {
	c.begin()
	n, err := io.Copy(c.ResponseWriter, src)
	c.bytes += n
	return n, err
}
