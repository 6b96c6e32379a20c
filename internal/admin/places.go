package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
)

// Places are where a server can be asked.
type Places struct {
	Socket string // absolute path of the control socket, for the server's user and root; of a named pipe on Windows; "": there is none

	StatusSocket string // absolute path of another one, which others may look through and change nothing; "": none
	StatusGroup  string // the group whose members may, or its number; "": that of this process, where processes have one

	Listen           string // host and port for TCP with TLS; "": none
	Certificate, Key string // its files, PEM
	Tokens           []Token
}

// Doors are the places at which a server listens for who asks. Make them with [Open].
type Doors struct{ list []*Socket }

// Open makes all places and answers requests for s there until [Doors.Close], which the caller must call; after an error there are none. A
// nil log is [slog.Default]. What the certificate and the tokens are is read now; a token file that is replaced later has another token.
func Open(p Places, s Server, log *slog.Logger) (*Doors, error) {
	if log == nil {
		log = slog.Default()
	}
	d := &Doors{}
	for _, open := range []func(Places, Server, *slog.Logger) (*Socket, error){openControl, openStatus, openTCP} {
		door, err := open(p, s, log)
		if err != nil {
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			d.Close(ended) // the error that counts is the first
			return nil, err
		}
		if door != nil {
			d.list = append(d.list, door)
		}
	}
	return d, nil
}

// Close does what [Socket.Close] does with all of them.
func (d *Doors) Close(ctx context.Context) error {
	errs := make([]error, len(d.list))
	var closing sync.WaitGroup
	for i, door := range d.list {
		closing.Go(func() { errs[i] = door.Close(ctx) })
	}
	closing.Wait()
	return errors.Join(errs...)
}

// Addr is where the server listens for TCP; nil: nowhere.
func (d *Doors) Addr() net.Addr {
	for _, door := range d.list {
		if door.addr != nil {
			return door.addr
		}
	}
	return nil
}

func openControl(p Places, s Server, log *slog.Logger) (*Socket, error) {
	if p.Socket == "" {
		return nil, nil
	}
	return Listen(p.Socket, s, log)
}

func openStatus(p Places, s Server, log *slog.Logger) (*Socket, error) {
	if p.StatusSocket == "" {
		return nil, nil
	}
	b := binding{path: p.StatusSocket, key: "control.status_socket", shared: true, group: p.StatusGroup}
	l, file, err := b.bind()
	if err != nil {
		return nil, fmt.Errorf("status socket: %w", err)
	}
	return newSocket(l, s, log, &Socket{path: p.StatusSocket, file: file}, readers), nil
}

// openTCP listens for who has a token.
func openTCP(p Places, s Server, log *slog.Logger) (*Socket, error) {
	if p.Listen == "" {
		return nil, nil
	}
	conf, err := p.tls()
	if err != nil {
		return nil, fmt.Errorf("control.listen: %w", err)
	}
	l, err := net.Listen("tcp", p.Listen)
	if err != nil {
		return nil, fmt.Errorf("control.listen: %w", err)
	}
	log.Info("control API over TCP", "address", l.Addr().String())
	return newSocket(tls.NewListener(l, conf), s, log, &Socket{path: l.Addr().String(), addr: l.Addr()}, bearers(p.Tokens)), nil
}

// tls says how to speak over TCP, if all there is to have for that is there.
func (p *Places) tls() (*tls.Config, error) {
	if p.Certificate == "" || p.Key == "" {
		return nil, errors.New("over TCP there is TLS only: name a certificate and its key with control.certificate and control.key")
	}
	if len(p.Tokens) == 0 {
		return nil, errors.New("nobody could get in: name at least one token below control.tokens")
	}
	for i := range p.Tokens {
		if err := p.Tokens[i].check(); err != nil {
			return nil, err
		}
	}
	cert, err := tls.LoadX509KeyPair(p.Certificate, p.Key)
	if err != nil {
		return nil, fmt.Errorf("the certificate %s with the key %s: %w", p.Certificate, p.Key, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}, nil
}
