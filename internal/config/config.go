// Package config reads isapid.yaml: strict YAML in which an unknown key, a wrong type or a value out of range is an error
// that names its file, line and column and says what to write instead.
//
// The types here are plain data that the other packages use as they are. A [Config] from [Load] or [Parse] is complete:
// every default is filled in, every path is absolute, every site has the application "/" and every pool that an
// application names exists. A Config built by hand has to be the same; start from [Default] and [DefaultSite].
package config

import (
	"strconv"
	"time"
)

// Config is one configuration file.
type Config struct {
	File    string           // absolute path of the file; never served to a client
	Sites   []Site           // in file order
	Pools   map[string]*Pool // by name; [DefaultPoolName] always exists
	Filters []string         // images of the filters of all sites, in the order of the file
	Images  Images           // for sites that have none of their own
	Limits  Limits           // what a site starts from
	Log     Log
	Control Control
	Crashes CrashFiles
	Tracing Tracing
	Metrics Metrics
	Wine    Wine
}

// Wine is where Windows images are run by Wine.
type Wine struct {
	Prefix  string // absolute path of the folder with its Windows, which is made if it is missing; "": see package wine
	Workers string // absolute path of the folder with the Windows workers; "": likewise
}

// Site is a set of bindings with one URL space.
type Site struct {
	Name               string
	ID                 int // 1, 2, …: INSTANCE_ID. Default: the position in the file
	Bindings           []Binding
	Certificate        string // PEM file, leaf first; for https bindings
	Key                string // PEM file
	HTTP2              bool   // clients of https bindings are offered HTTP/2
	ClientCertificates ClientCertificates
	ClientCA           string // PEM file of those whose certificates of clients are taken; "": the system's
	Root               string // directory of "/"
	DefaultDocuments   []string
	MIME               map[string]string    // ".ext" in lower case → type; on top of the built-in table
	ErrorPages         map[string]ErrorPage // by "404" or "404.3"
	VirtualDirectories []VirtualDirectory
	Applications       []Application // one of them has the path "/"
	Static             bool          // files that no handler claims are served
	Filters            []string      // images of the filters of the site, besides those of all sites
	Images             Images
	Limits             Limits
	Log                SiteLog
}

// ClientCertificates says what clients of https bindings have to show.
type ClientCertificates string

// What is asked of clients. One that shows a certificate that cannot be verified is turned away.
const (
	ClientNone    ClientCertificates = "none"
	ClientRequest ClientCertificates = "request" // may show a certificate
	ClientRequire ClientCertificates = "require" // must
)

// Binding is one address a site listens on. Bindings that share address and port are told apart by their host name.
type Binding struct {
	TLS     bool
	Address string // IP address; "" is every address of the machine
	Port    int    // 0: any free port
	Host    string // lower-case host name the request must carry, or "*.example.com"; "" is any
}

// String returns the binding as it is written in the file.
func (b Binding) String() string {
	scheme, host := "http", b.Host
	if b.TLS {
		scheme = "https"
	}
	if host == "" {
		host = bracketed(b.Address)
	}
	return scheme + "://" + host + ":" + strconv.Itoa(b.Port)
}

// VirtualDirectory mounts a directory below a site's root URL.
type VirtualDirectory struct {
	Path      string // "/img": begins with a slash, does not end with one
	Directory string
}

// Application is a part of a site's URL space with its own handlers and pool.
type Application struct {
	Path      string    // "/" or "/shop"
	Directory string    // "": where Path lies in the site's directories
	Pool      string    // name in Config.Pools
	Handlers  []Handler // first match wins
	Filters   []string  // images of its filters, besides those of its site and of all sites

	Authentication Authentication
}

// Authentication says who may come into an application. The zero value is everybody.
type Authentication struct {
	Required bool   // nobody without credentials (anonymous: false); with Basic only
	Basic    *Basic // names and passwords are asked for and checked; nil: they are not
}

// Basic is authentication by name and password, which the client sends with each request (RFC 7617).
type Basic struct {
	Realm string // what they are for, as the client shows it: printable ASCII without quotes and backslashes
	Users string // the password file; "": who may come in is what the filters of the application say
}

// Handler says what answers the URLs that match Path. Exactly one of ISAPI, Extension and Static is set.
type Handler struct {
	Path      string   // "*.dll", "/orders/*" (below the application) or "*"
	ISAPI     bool     // the URL names the image
	Extension string   // image that answers; with a "*.ext" path this is a script map
	Static    bool     // files are served, nothing is run
	Methods   []string // upper case; empty: all
	MustExist bool     // matches only when the file the URL names exists
	PathInfo  bool     // AllowPathInfoForScriptMappings: PATH_INFO is only what follows the script's name
}

// ErrorMode says how an error page is made.
type ErrorMode string

// The modes of an error page.
const (
	ErrorFile     ErrorMode = "file"     // Path is a file whose content is sent
	ErrorURL      ErrorMode = "url"      // Path is a URL of the same site that is run in place
	ErrorRedirect ErrorMode = "redirect" // Path is a URL the client is sent to
)

// ErrorPage replaces a built-in error page.
type ErrorPage struct {
	Mode ErrorMode
	Path string
}

// Images limits where images may be loaded from.
type Images struct {
	// Allow lists files and folders. Empty: the directories of the site, its applications and virtual directories. An image
	// named by a handler's Extension is always allowed.
	Allow []string
}

// Limits bound what one client may take. A request over a limit gets the status in brackets. Body, Concurrent, URL and
// Query can differ between sites; the others hold for a connection, and all sites have those of the top level.
type Limits struct {
	Header        int           // bytes of request line and header, 1 KiB to 1 MiB [431]
	Body          int64         // bytes of a body; 0: no limit [413.1]
	HeaderTimeout time.Duration // until the header is complete; 0: no limit
	BodyTimeout   time.Duration // without a byte of the body arriving; 0: no limit
	IdleTimeout   time.Duration // without a request on a kept connection; 0: no limit
	WriteTimeout  time.Duration // without a byte of the response leaving; 0: no limit
	Concurrent    int           // requests of the site at a time; 0: no limit [503.2]
	URL           int           // bytes of the path as sent, 16 to 65536 [404.14]
	Query         int           // bytes of the query as sent, 0 to 65536 [404.15]
}
