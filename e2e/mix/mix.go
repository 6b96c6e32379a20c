// Package mix is a crowd of clients for tests of a whole server. They ask one extension, the fixture swapver, without a pause:
// with and without a body, of known and unknown length, on connections that stay and that do not, over HTTP/1.1 and HTTP/2,
// plain and encrypted. Every answer is checked completely, and also that it comes from a version of the extension that may
// answer at that time:
//
//	m, err := mix.Start(ctx, mix.Config{Plain: url, Version: 1})
//	m.Swapping(2)  // from here on both may answer
//	…              // the swap, until its receipt says that 2 is committed
//	m.Committed(2) // a request that begins after this and is answered by 1 is stale
//	fmt.Println(m.Stop()) // 1,234 requests, 0 failed, 0 reset, 0 stale
//
// No request is sent twice: what [net/http] would repeat after a connection broke is counted as reset.
package mix

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Config says who asks what.
type Config struct {
	Plain    string         // URL of the extension, without a query; "": no clients without TLS
	TLS      string         // the same with https; "": no clients with TLS
	Roots    *x509.CertPool // that the server's certificate is checked with; nil: those of the system
	Clients  int            // of each kind of connection; 0: 2
	Requests int64          // the mix ends by itself after so many; 0: it does not
	Limit    time.Duration  // a request without a complete answer for so long has failed; 0: 1 minute
	Version  int            // that answers at the start
	Bad      func(Problem)  // is called for every request that did not go as it should, by many goroutines; may be nil
}

// Mix is a running crowd. End it with Stop or Wait.
type Mix struct {
	cfg      Config
	versions timeline
	begun    atomic.Int64 // requests
	ended    atomic.Int64
	stopping atomic.Bool
	clients  []*client
	running  sync.WaitGroup
}

// connection is a kind of them.
type connection struct {
	name  string
	tls   bool
	close bool // after each answer
	major int  // version of HTTP
}

var connections = []connection{
	{"HTTP/1.1", false, false, 1},
	{"HTTP/1.1 close", false, true, 1},
	{"TLS", true, false, 1},
	{"TLS close", true, true, 1},
	{"HTTP/2", true, false, 2},
}

// Start begins to ask. When ctx ends before the mix does, requests are broken off and count as reset.
func Start(ctx context.Context, cfg Config) (*Mix, error) {
	if cfg.Plain == "" && cfg.TLS == "" {
		return nil, errors.New("a mix needs a URL")
	}
	if cfg.Clients == 0 {
		cfg.Clients = 2
	}
	if cfg.Limit == 0 {
		cfg.Limit = time.Minute
	}
	m := &Mix{cfg: cfg}
	m.versions.only(cfg.Version)
	for _, c := range connections {
		url := cfg.Plain
		if c.tls {
			url = cfg.TLS
		}
		if url == "" {
			continue
		}
		var transport *http.Transport
		for range cfg.Clients {
			if transport == nil || c.major == 1 { // clients of HTTP/2 share a connection
				transport = newTransport(c, cfg.Roots)
			}
			m.clients = append(m.clients, newClient(m, len(m.clients), c, url, transport))
		}
	}
	for _, c := range m.clients {
		m.running.Go(func() { c.run(ctx) })
	}
	return m, nil
}

func newTransport(c connection, roots *x509.CertPool) *http.Transport {
	t := &http.Transport{
		DisableKeepAlives:  c.close,
		DisableCompression: true,
		TLSClientConfig:    &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		Protocols:          new(http.Protocols),
	}
	t.Protocols.SetHTTP1(c.major == 1)
	t.Protocols.SetHTTP2(c.major == 2)
	return t
}

// Requests is how many have ended so far.
func (m *Mix) Requests() int64 { return m.ended.Load() }

// Swapping says that the given version may answer too from now on. It must be called before the swap is begun.
func (m *Mix) Swapping(version int) { m.versions.also(version) }

// Committed says that only the given version may answer requests that begin from now on. After a swap that did not take place
// it is called with the old version.
func (m *Mix) Committed(version int) { m.versions.only(version) }

// Stop has every client end after the request it is at, and waits for that.
func (m *Mix) Stop() *Result {
	m.stopping.Store(true)
	return m.Wait()
}

// Wait waits until Config.Requests have ended.
func (m *Mix) Wait() *Result {
	m.running.Wait()
	r := &Result{Kinds: map[string]int64{}, Versions: map[int]Seen{}}
	for _, c := range m.clients {
		c.transport.CloseIdleConnections()
		r.add(&c.result)
	}
	return r
}

// more says whether another request is to be made.
func (m *Mix) more() bool {
	n := m.begun.Add(1)
	return !m.stopping.Load() && (m.cfg.Requests == 0 || n <= m.cfg.Requests)
}
