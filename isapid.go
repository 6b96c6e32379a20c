// Package isapid serves ISAPI extensions from any Go program.
//
// An ISAPI extension is a shared library with the entry points GetExtensionVersion and HttpExtensionProc. [Open] loads one
// and returns an [http.Handler] that works under any net/http server:
//
//	shop, err := isapid.Open("shop.so", isapid.WithMount("/shop"), isapid.WithRoot("./wwwroot"))
//	if err != nil {
//		return err
//	}
//	defer shop.Close(context.Background())
//	http.Handle("/shop/", shop)
//
// # What the extension sees
//
// The handler answers every path below its mount. SCRIPT_NAME is the mount ("" without one), PATH_INFO is the rest of the
// decoded path, PATH_TRANSLATED is PATH_INFO below the document root. Dot segments are resolved before the extension sees
// the path, and a path that no C string can hold (a NUL byte) is answered 400.
//
// # Whose process it is
//
// The extension runs inside the calling process, on a pool of threads. A fault in its code, abort and exit included, is
// contained: that request is answered 500 and [WithFaultPolicy] says what happens to the next ones. Memory it overwrites before
// it faults, and locks it holds, are not. Load only extensions you would link into your program.
package isapid

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"path/filepath"
	"strings"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
)

// Extension is a loaded ISAPI extension. It is safe for concurrent use.
type Extension struct {
	exec  executor.Executor
	mount string
	host  *host
	app   *executor.App
}

// Open loads the extension in the file image and calls its GetExtensionVersion. It loads from a private copy, so that the
// file may be replaced while the extension runs. An error says what is wrong with the file or with an option: also that a library is one of another
// system. Libraries of Windows run on Linux in the workers of the program isapid, not here.
//
// The caller closes the extension with [Extension.Close].
func Open(image string, opts ...Option) (*Extension, error) {
	s := settings{root: filepath.Dir(image)}
	for _, opt := range opts {
		if err := opt(&s); err != nil {
			return nil, err
		}
	}
	root, err := filepath.Abs(s.root)
	if err != nil {
		return nil, fmt.Errorf("document root %q: %w", s.root, err)
	}
	exec, err := extension.Open(image, s.executor)
	if err != nil {
		return nil, err
	}
	h := &host{root: root, next: s.next}
	e := &Extension{exec: exec, mount: s.mount, host: h, app: h.application(image, s.mount)}
	h.self = e
	return e, nil
}

// ServeHTTP runs one request through the extension. It returns when the response is complete, also when the extension
// answers asynchronously. When a response that has begun cannot be completed it panics with [http.ErrAbortHandler], which
// net/http turns into a broken connection.
func (e *Extension) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	info, status := e.pathInfo(r)
	if status != 0 {
		e.host.Error(w, r, status, 0)
		return
	}
	res := e.exec.Execute(w, r, &executor.Target{
		ScriptName:       e.mount,
		PathInfo:         info,
		PathTranslated:   e.host.physical(info),
		ScriptTranslated: e.host.physical(e.mount),
		App:              e.app,
		Host:             e.host,
	})
	res.Check()
}

// pathInfo is what follows the mount in the path of r, or the HTTP status for a path that is not this extension's.
func (e *Extension) pathInfo(r *http.Request) (info string, status int) {
	if e.host.skipped(r) {
		return "", http.StatusNotFound
	}
	if strings.ContainsRune(r.URL.Path, 0) {
		return "", http.StatusBadRequest
	}
	info, ok := strings.CutPrefix(resolve(r.URL.Path), e.mount)
	if !ok || info != "" && info[0] != '/' {
		return "", http.StatusNotFound
	}
	return info, 0
}

// resolve removes dot segments and doubled slashes, so that no path climbs out of the document root or the mount.
func resolve(p string) string {
	clean := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// Description is the text the extension gave of itself in GetExtensionVersion.
func (e *Extension) Description() string { return e.exec.Description() }

// Close refuses new requests, waits for the running ones until ctx ends, calls TerminateExtension and unloads the library.
// It may be called once. An error says what could not be ended. Shut the HTTP server down first: a request that arrives
// after Close began is answered 503.
func (e *Extension) Close(ctx context.Context) error { return e.exec.Close(ctx) }
