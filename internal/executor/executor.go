// Package executor says what an executor is: the thing that runs requests through one loaded extension. There are two,
// in-process (package extension) and isolated (a pool of workers), behind the same interface and the same conformance suite
// (package executortest).
//
// The package has no code of its own beyond the shared words: it is where the URL space (package site), which knows
// where a request landed, meets the executors, which know how to run it, so that neither imports the other.
package executor

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/isapid/isapid/internal/trace"
)

// Executor runs requests through one extension. It is safe for concurrent use.
type Executor interface {
	// Execute answers r on w and returns when the response is complete, also when the extension returned
	// HSE_STATUS_PENDING. It never panics because of what the extension did. When it returns a Result that is Broken the
	// caller must panic with [http.ErrAbortHandler] (as [Result.Check] does), so that the client sees the break.
	//
	// Target t belongs to the executor until Execute returns.
	Execute(w http.ResponseWriter, r *http.Request, t *Target) Result

	// Description is the text the extension gave in HSE_VERSION_INFO.
	Description() string

	// Close refuses new requests, waits for those that run (until ctx ends), calls TerminateExtension and unloads the
	// image. An error says what could not be ended; if it is that of ctx, Close may be called again to wait on. Once the
	// image is unloaded it answers [ErrClosed].
	Close(ctx context.Context) error
}

// Software is the name and version of this server: SERVER_SOFTWARE, the Server header, "isapid version".
const Software = "isapid/0.1.0"

// ErrClosed is what a request gets that arrives after Close began, and a Close after the one that unloaded the image.
var ErrClosed = errors.New("executor is closed")

// Target says where in the URL space a request landed. Package site fills it; the extension sees it as ECB fields and
// server variables.
type Target struct {
	ScriptName       string // virtual path of the image or script: "/v/app.dll"
	PathInfo         string // percent-decoded; what follows ScriptName, or the whole path for a script map
	PathTranslated   string // physical mapping of PathInfo
	ScriptTranslated string // physical path of ScriptName
	App              *App
	Host             Host      // nil: plain error pages, and no URL can be mapped or run
	Client           Client    // nil: the *conn.Conn of the request, if there is one
	Timed            bool      // Result.ThreadTime is wanted
	User             *User     // who asks; nil: nobody in particular
	Trail            *Trail    // nil: nobody wants to know
	Filtered         *Filtered // it goes through filters there first; nil: it does not. Only isolated executors look at it
}

// App is the application a request belongs to: what the APPL_*, APP_POOL_* and INSTANCE_* variables tell.
type App struct {
	SiteID       int    // 1, 2, …: INSTANCE_ID, "/LM/W3SVC/<id>"
	SiteName     string // INSTANCE_NAME
	DocumentRoot string // physical root of the site
	Path         string // virtual path of the application: "/" or "/shop"
	PhysicalPath string // physical directory of the application
	Pool         string // APP_POOL_ID
}

// Host is what an extension may ask of the server around it.
type Host interface {
	// Map finds the physical path of a decoded virtual path (HSE_REQ_MAP_URL_TO_PATH and its kin). The path need not
	// exist. An error means that the URL cannot be mapped.
	Map(urlPath string) (Mapping, error)

	// Exec runs r, a complete child request, through the URL space again and writes its answer to w
	// (HSE_REQ_SEND_URL, HSE_REQ_EXEC_URL). With skipCurrent the wildcard handler that runs the parent is passed over
	// (HSE_EXEC_URL_IGNORE_CURRENT_INTERCEPTOR).
	Exec(w http.ResponseWriter, r *http.Request, skipCurrent bool)

	// Error writes the page this server has for an HTTP status and IIS sub-status (0: none). Headers already set on w
	// are kept; a body is written unless the request's method or the status forbids one.
	Error(w http.ResponseWriter, r *http.Request, status, substatus int)
}

// Client is the connection under a request: what an extension may know or do there that net/http has no word for. Package conn says
// what each method does; there is its implementation in the process that has the socket, and in a worker one that asks for it.
type Client interface {
	Alive() bool
	Abort() error
	ResetOnClose() error
	Descriptor() (fd uintptr, ok bool)
	RawHeader(r *http.Request) []byte
	ServerCertificate() *x509.Certificate
	SetReason(status int, text string) bool
	Cork()
	Uncork() error
}

// Mapping is the answer of [Host.Map], as HSE_URL_MAPEX_INFO tells it.
type Mapping struct {
	Path        string // physical path
	Flags       uint32 // HSE_URL_FLAGS_*
	MatchedPath int    // bytes of Path that are a configured directory
	MatchedURL  int    // bytes of the URL that named that directory
}

// Matched is the part of Path that is a configured directory.
func (m *Mapping) Matched() string { return m.Path[:min(max(m.MatchedPath, 0), len(m.Path))] }

// Result is what happened to one request, for logs and counters.
type Result struct {
	Status     int           // as sent; 0 when nothing could be sent
	Substatus  int           // IIS sub-status, 0 if none
	Win32      uint32        // Windows error code of the last failure, 0 if none (sc-win32-status)
	Bytes      int64         // body bytes handed to the connection
	LogData    string        // lpszLogData, control characters replaced
	LogQuery   string        // HSE_APPEND_LOG_PARAMETER, to be appended to the logged query
	Fault      error         // contained fault of this request, or nil
	ThreadTime time.Duration // inside HttpExtensionProc, if Target.Timed
	Broken     bool          // the response had begun and could not be completed
	Log        *LogRecord    // what filters made of what is logged; nil: nothing
}

// Check panics with [http.ErrAbortHandler] when the response is broken. It is for the end of an http.Handler.
func (r *Result) Check() {
	if r.Broken {
		panic(http.ErrAbortHandler)
	}
}

// FaultPolicy is what an in-process executor does after a contained fault.
type FaultPolicy string

const (
	FaultKeep   FaultPolicy = "keep"   // go on; the image is marked as suspect
	FaultRefuse FaultPolicy = "refuse" // answer every further request 500
)

// Options configures an executor. The zero value of a field means its default, see [Options.WithDefaults].
type Options struct {
	Name      string        // in logs; default: the file name of the image
	Known     string        // path of the image as the operator knows it, where that is another one than here: in events. Default: its path
	Version   Version       // what is loaded. Default: the file at the image's path
	Threads   int           // requests inside HttpExtensionProc at a time; 1 pins one OS thread. Default 25
	Stack     int           // stack of a pool thread in bytes; 0: the system's default. Set: own threads are made
	Queue     int           // requests waiting for a thread; more are answered 503. Default 1000
	QueueWait time.Duration // longest wait for a thread, then 503. Default 2 min; negative: no limit
	ReadAhead int           // body bytes read before the extension is called. Default 49152; negative: none
	Pending   time.Duration // longest time between HSE_STATUS_PENDING and DONE_WITH_SESSION. 0: no limit, as IIS
	Flush     time.Duration // written data waits at most this long before it is sent. Default 20 ms; negative: never buffered
	OnFault   FaultPolicy   // default FaultKeep
	Staging   string        // folder for staged images. Default: a private one below the system's temporary folder
	Place     string        // folder for the copy itself, in place of one below Staging: it is there, and has what lies beside the image
	Logger    *slog.Logger  // default slog.Default()
	Filter    bool          // the image is used as a filter, too: it is asked for its filter half
	Limit     time.Duration // longest time of a request; then it is answered 504. 0: none. Only an isolated executor can
	Faulted   func(error)   // told of each contained fault; must not block. nil: nobody
	Unhealthy func(string)  // told of HSE_REQ_REPORT_UNHEALTHY, likewise

	Pool       string        // in the configuration; in events. "": it has none
	Tap        *trace.Tap    // where the calls of the image can be listened to; nil: nowhere
	ImageID    uint64        // number of the image in this process: in events, findings, and on the board. 0: it has none
	Generation int           // of the pool, or number of the version; in events and findings
	Checks     Checks        // default ChecksOff
	Found      func(Finding) // told of each finding; must not block. nil: nobody

	// Count is told of counters that the image publishes (HSE_REQ_COUNTER); labels are pairs of name and value. It must not block.
	// nil: the image cannot.
	Count func(name string, labels []string, delta float64)

	// Registers says why a filter cannot have the SF_NOTIFY_* it registers for; then the image is not loaded. nil: it gets no raw data.
	Registers func(flags uint32) error
}

// WithDefaults returns o with every unset field set to its default (the numbers are IIS's where it has one).
func (o Options) WithDefaults() Options {
	setDefault(&o.Threads, 25)
	setDefault(&o.Queue, 1000)
	setDefault(&o.QueueWait, 2*time.Minute)
	setDefault(&o.ReadAhead, 48<<10)
	setDefault(&o.Flush, 20*time.Millisecond)
	setDefault(&o.OnFault, FaultKeep)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
