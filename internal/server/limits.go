package server

import "time"

// Limits bounds what a client can take. A field that is 0 has its default, a negative one means no limit. Nothing limits
// the total time of a request: uploads and downloads may take hours as long as they move.
type Limits struct {
	// Header is the longest request head in bytes, line and fields; more is answered 431. net/http reads in blocks, so
	// that up to 4 KiB more may pass. Default 16 KiB (MaxRequestBytes). No limit means net/http's 1 MiB.
	Header int

	// Body is the longest request body in bytes (maxAllowedContentLength). A longer declared length is answered 413.1 before
	// the handler runs. An undeclared one fails the handler's read with *http.MaxBytesError, and is answered
	// 413.1 if the handler wrote nothing. Default 30000000.
	Body int64

	// HeaderTimeout is the longest time for a whole request head, from its first byte or, for the first, from the
	// connection's begin, and for a TLS handshake. Then the connection is closed. Default 30 s, stricter than IIS.
	HeaderTimeout time.Duration

	// BodyTimeout is the longest wait for the next bytes of a request body (Timer_EntityBody). Then the handler's read
	// fails, and when the handler returns, the connection is closed. Default 2 min (connectionTimeout).
	BodyTimeout time.Duration

	// IdleTimeout is how long a connection may wait for its next request (Timer_ConnectionIdle). Default 2 min.
	IdleTimeout time.Duration

	// WriteTimeout is how long a client may take nothing of a response that is ready for it. Then the handler's write
	// fails and the connection is closed; over HTTP/2, if only that stream stands still, the stream. Default 2 min.
	WriteTimeout time.Duration

	// Concurrent is how many requests run at a time, in all sites together; more are answered 503.2 with Retry-After.
	// Default 5000 (appConcurrentRequestLimit).
	Concurrent int

	// URL is the longest path as sent, in bytes, without the query (maxUrl): 404.14. Default 4096.
	URL int

	// Query is the longest query string in bytes, without the question mark (maxQueryString): 404.15. Default 2048.
	Query int
}

// DefaultLimits are IIS's where it has one.
var DefaultLimits = Limits{
	Header:        16 << 10,
	Body:          30_000_000,
	HeaderTimeout: 30 * time.Second,
	BodyTimeout:   2 * time.Minute,
	IdleTimeout:   2 * time.Minute,
	WriteTimeout:  2 * time.Minute,
	Concurrent:    5000,
	URL:           4096,
	Query:         2048,
}

// WithDefaults returns l with every field that is 0 set to its default.
func (l Limits) WithDefaults() Limits {
	d := DefaultLimits
	setDefault(&l.Header, d.Header)
	setDefault(&l.Body, d.Body)
	setDefault(&l.HeaderTimeout, d.HeaderTimeout)
	setDefault(&l.BodyTimeout, d.BodyTimeout)
	setDefault(&l.IdleTimeout, d.IdleTimeout)
	setDefault(&l.WriteTimeout, d.WriteTimeout)
	setDefault(&l.Concurrent, d.Concurrent)
	setDefault(&l.URL, d.URL)
	setDefault(&l.Query, d.Query)
	return l
}

func setDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}
