package tape

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Send sends a recorded request to a server, on a connection of its own, and reads the answer to its end. It returns the address that the server
// knows the client by. An error is that of the connection, or of an answer that broke off.
func Send(ctx context.Context, server string, r *Request) (client string, err error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", server)
	if err != nil {
		return "", err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	client = c.LocalAddr().String()
	wrote := make(chan error, 1)
	go func() { // a server may answer before it has read everything
		_, err := c.Write(r.wire())
		wrote <- err
	}()
	err = receive(c, r.Method)
	c.Close()
	if failed := <-wrote; err != nil && failed != nil {
		err = fmt.Errorf("%w (%w)", err, failed)
	}
	return client, err
}

// receive reads an answer.
func receive(c net.Conn, method string) error {
	in := bufio.NewReader(c)
	for {
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode >= http.StatusOK || res.StatusCode == http.StatusSwitchingProtocols {
			return err
		}
	}
}

// wire is the request as HTTP/1 has it. What frames the body is made anew: it was recorded without its frames.
func (r *Request) wire() []byte {
	var b bytes.Buffer
	proto := "HTTP/1.1"
	if r.Proto == "HTTP/1.0" {
		proto = r.Proto
	}
	fmt.Fprintf(&b, "%s %s %s\r\nHost: %s\r\n", r.Method, r.Target, proto, r.Host)
	framed := false
	for _, f := range r.Header {
		switch strings.ToLower(f[0]) {
		case "host", "transfer-encoding":
			continue
		case "content-length":
			if framed || r.Chunked {
				continue
			}
			framed = true
			f[1] = fmt.Sprint(len(r.Body))
		}
		fmt.Fprintf(&b, "%s: %s\r\n", f[0], f[1])
	}
	switch {
	case r.Chunked:
		b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
		if len(r.Body) > 0 {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(r.Body), r.Body)
		}
		b.WriteString("0\r\n\r\n")
		return b.Bytes()
	case !framed && len(r.Body) > 0:
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.Body))
	}
	b.WriteString("\r\n")
	b.Write(r.Body)
	return b.Bytes()
}
