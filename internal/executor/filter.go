package executor

import (
	"net/http"
	"time"
)

// Chain is the filters in front of an application, as a request goes through them. It is safe for concurrent use.
type Chain interface {
	// Serve answers r. Whatever is not the filters' to decide is asked of h. Like [Executor.Execute] it never panics because
	// of what a filter did, and a Result that is Broken is for the caller to check.
	Serve(w http.ResponseWriter, r *http.Request, h FilterHost) Result

	// Inside says that the filters run in this process: what h is, and what it has answered, is in use no more when Serve has
	// returned. Of a worker that hangs nobody can say that.
	Inside() bool
}

// FilterHost is what a chain may ask of the server around it: where a request leads, who its user is, and to answer it. There is
// one in the process that has the URL space, and in a worker one that asks for it.
type FilterHost interface {
	Host

	// Route says where r leads and who asks. Nothing runs, and nothing is sent. It never returns nil: a request that leads
	// nowhere has a route without maps.
	Route(r *http.Request) *Route

	// Logon says who may come in with a name and a password, both "" for a request without credentials. denied: nobody may with
	// these.
	Logon(r *http.Request, rt *Route, user, password string) (u *User, denied bool)

	// Answer runs what answers r, without filters: extension, file, redirect, or the page of an error. rt is a route of r, in
	// which filters may have changed paths, and who the user is.
	Answer(w http.ResponseWriter, r *http.Request, rt *Route) Result
}

// Route is where a request leads: what the URL space says of it before anything runs.
type Route struct {
	App  *App
	Maps []URLMap // the virtual paths that are mapped on the way, in order: see Maps of package site

	Image  string  // the image of the extension that answers; "" when something else does
	Target *Target // with Image only. Host and Client are not set

	Realm     string // of Basic authentication; "": the application has none
	Anonymous bool   // who gives no credentials may come in
	User      *User  // who asks; nil: nobody in particular
	Denied    bool   // the credentials are not good, or there are none where some are wanted
}

// What a [URLMap] is the mapping of.
const (
	MapScript   = iota // the path of the request, or the part of it that names a script or an image
	MapDocument        // the default document of the folder before it
	MapPathInfo        // PATH_INFO, to PATH_TRANSLATED
)

// URLMap is a virtual path and where it leads (SF_NOTIFY_URL_MAP).
type URLMap struct {
	What int // MapScript …
	URL  string
	Mapping
	ScriptMap string // the entry of the script map that it matched, as ".asp,/srv/asp.so"; "" if none
	Changed   bool   // Path is a filter's
}

// User is who asks, as the variables tell: AUTH_USER, REMOTE_USER and LOGON_USER, AUTH_PASSWORD, AUTH_TYPE.
type User struct {
	Name     string
	Unmapped string // UNMAPPED_REMOTE_USER: the name the client gave; "": the same
	Password string
	Type     string // "Basic"
}

// Filtered is a request that is to go through filters where it is executed: in a worker, before and around the extension.
type Filtered struct {
	Filters    []FilterRef
	Route      *Route
	Host       FilterHost
	Connection uint64 // which connection it came on, the same number for all its requests; 0: one of its own, as a stream of HTTP/2
	Local      bool   // the image that executes is the one of Route: it can be run right there

	// Here says of a route to which filters have led the request whether its image belongs into the process that executes: then
	// it is run there. nil: never.
	Here func(rt *Route) bool
}

// FilterRef is a filter of a chain, in the order of configuration.
type FilterRef struct {
	Image  string // path in the configuration
	Global bool   // of all sites: before those of the site
}

// LogRecord is what is logged about a request (HTTP_FILTER_LOG). Filters may change all of it but the last three.
type LogRecord struct {
	ClientHost    string
	ClientUser    string // "-" if nobody in particular
	Server        string
	Operation     string // method
	Target        string // path
	Parameters    string // query
	Status, Win32 uint32
	BytesSent     uint32
	BytesReceived uint32
	Elapsed       time.Duration
}
