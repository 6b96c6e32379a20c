package isapid

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// Option changes how [Open] runs an extension.
type Option func(*settings) error

type settings struct {
	executor executor.Options
	root     string
	mount    string
	next     http.Handler
}

// WithThreads sets how many requests may be inside the extension at a time. Default 25, at least 1. With 1 all calls come from one and
// the same thread, which extensions need that were not written for threads.
func WithThreads(n int) Option {
	return func(s *settings) error { return atLeast("threads", n, 1, &s.executor.Threads) }
}

// WithStack sets the stack of a thread that runs the extension, in bytes. Default: the system's; at least 65536.
func WithStack(bytes int) Option {
	return func(s *settings) error { return atLeast("stack", bytes, 64<<10, &s.executor.Stack) }
}

// WithQueue sets how many requests may wait for a thread; the next one is answered 503. Default 1000, at least 1.
func WithQueue(n int) Option {
	return func(s *settings) error { return atLeast("queue", n, 1, &s.executor.Queue) }
}

// WithPendingLimit sets the longest time between HSE_STATUS_PENDING and HSE_REQ_DONE_WITH_SESSION; after it the request is
// given up. Default 0: no limit, as IIS.
func WithPendingLimit(d time.Duration) Option {
	return func(s *settings) error {
		if d < 0 {
			return fmt.Errorf("pending limit %v is negative; use 0 for no limit", d)
		}
		s.executor.Pending = d
		return nil
	}
}

// FaultPolicy says what happens after a contained fault.
type FaultPolicy string

const (
	FaultKeep   FaultPolicy = "keep"   // go on serving; the default
	FaultRefuse FaultPolicy = "refuse" // answer every further request 500
)

// WithFaultPolicy sets what happens after a fault in the extension's code was contained. Default [FaultKeep].
func WithFaultPolicy(p FaultPolicy) Option {
	return func(s *settings) error {
		switch p {
		case FaultKeep, FaultRefuse:
			s.executor.OnFault = executor.FaultPolicy(p)
			return nil
		}
		return fmt.Errorf("fault policy %q is unknown; use %q or %q", p, FaultKeep, FaultRefuse)
	}
}

// WithRoot sets the document root: the folder that PATH_TRANSLATED and HSE_REQ_MAP_URL_TO_PATH answer with. It need not exist; no
// file in it is served. Default: the folder of the extension.
func WithRoot(dir string) Option {
	return func(s *settings) error {
		if dir == "" {
			return errors.New("document root is empty; name a folder")
		}
		s.root = dir
		return nil
	}
}

// WithMount says below which path the handler is mounted, such as "/shop". It becomes SCRIPT_NAME; requests for other paths are
// answered 404. Use it instead of [http.StripPrefix], which would hide from the extension where it is. Default: "", everywhere.
func WithMount(prefix string) Option {
	return func(s *settings) error {
		trimmed := strings.TrimSuffix(prefix, "/")
		if trimmed != "" && (trimmed[0] != '/' || path.Clean(trimmed) != trimmed || strings.ContainsRune(trimmed, 0)) {
			return fmt.Errorf("mount %q is not a clean path; write it like %q", prefix, "/shop")
		}
		s.mount = trimmed
		return nil
	}
}

// WithNext sets the handler for child requests, which an extension makes with HSE_REQ_EXEC_URL and HSE_REQ_SEND_URL: usually the mux
// the extension itself is registered with. Default: children below the mount run through the extension again, others
// are answered 404.
func WithNext(h http.Handler) Option {
	return func(s *settings) error {
		if h == nil {
			return errors.New("handler for child requests is nil")
		}
		s.next = h
		return nil
	}
}

// WithLogger sets where faults and broken rules of the extension are logged. Default [slog.Default].
func WithLogger(l *slog.Logger) Option {
	return func(s *settings) error {
		if l == nil {
			return errors.New("logger is nil")
		}
		s.executor.Logger = l
		return nil
	}
}

func atLeast(name string, n, least int, v *int) error {
	if n < least {
		return fmt.Errorf("%s %d is too small; use at least %d", name, n, least)
	}
	*v = n
	return nil
}
