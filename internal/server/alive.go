package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// Alive says whether the server answers: it connects to its own addresses as a client does, until one of them answers. The
// error says why none did. No site sees such a request, and no log.
func (s *Server) Alive(ctx context.Context) error {
	s.mu.Lock()
	var doors []func() error
	for _, e := range s.endpoints {
		if v := e.accepting(); v != nil {
			addr, secure := e.socket.Addr(), v.secure
			doors = append(doors, func() error { return knock(ctx, addr, secure) })
		}
	}
	s.mu.Unlock()
	var errs []error
	for _, knock := range doors {
		err := knock()
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return errors.New("the server does not serve")
	}
	return errors.Join(errs...)
}

// knock sends the request that net/http answers by itself, or makes a TLS handshake.
func knock(ctx context.Context, to net.Addr, secure bool) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s does not answer: %w", to, err)
		}
	}()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", to.String()) // the unspecified address is this machine
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if secure {
		shaken := tls.Client(c, &tls.Config{InsecureSkipVerify: true}) // whether somebody answers, not who
		return shaken.HandshakeContext(ctx)
	}
	if _, err := io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: alive\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
