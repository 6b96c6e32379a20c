package site

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"github.com/isapid/isapid/internal/config"
)

// maxErrorPage is the longest file that is sent as an error page.
const maxErrorPage = 1 << 20

// Error writes the site's page for a status and IIS sub-status (0: none) that somebody outside the site decided. Headers
// already set on w are kept.
func (s *Site) Error(w http.ResponseWriter, r *http.Request, status, substatus int) {
	record := recordOf(r)
	s.note(record)
	(&host{site: s, record: record, trail: trailOf(record)}).Error(w, r, status, substatus)
}

// Error implements [executor.Host]. The page configured for status and substatus is sent, else the one for the status, else
// the built-in one; the built-in one also when the configured page fails, and for whatever fails on the way to it.
func (x *host) Error(w http.ResponseWriter, r *http.Request, status, substatus int) {
	if x.record != nil {
		x.record.Substatus = substatus
	}
	if rec := x.own(); rec != nil {
		w = rec.watch(w)
		defer rec.sentAll()
	}
	if x.filtered != nil {
		x.filtered.notePage(substatus)
	}
	header := w.Header()
	if status == http.StatusUnauthorized {
		x.challenge(header, r)
	}
	for _, name := range []string{"Content-Length", "Content-Type", "Content-Encoding", "Content-Range", "Accept-Ranges", "Etag", "Last-Modified"} {
		header.Del(name) // they are about another body
	}
	if status == http.StatusServiceUnavailable && header.Get("Retry-After") == "" {
		header.Set("Retry-After", "1")
	}
	page, ok := x.site.errorPage(status, substatus)
	if ok && !x.failing && x.sendPage(w, r, page, status) {
		return
	}
	sendBody(w, r, status, "text/html; charset=utf-8", builtinPage(status, substatus))
}

func (s *Site) errorPage(status, substatus int) (config.ErrorPage, bool) {
	code := strconv.Itoa(status)
	if page, ok := s.conf.ErrorPages[code+"."+strconv.Itoa(substatus)]; ok && substatus > 0 {
		return page, true
	}
	page, ok := s.conf.ErrorPages[code]
	return page, ok
}

// sendPage sends a configured page, or nothing at all if it cannot.
func (x *host) sendPage(w http.ResponseWriter, r *http.Request, page config.ErrorPage, status int) bool {
	switch page.Mode {
	case config.ErrorFile:
		return x.sendPageFile(w, r, page.Path, status)
	case config.ErrorURL:
		return x.execPage(w, r, page.Path, status)
	case config.ErrorRedirect:
		if r.URL.Path == page.Path {
			return false // it would lead here again, and again
		}
		w.Header().Set("Location", page.Path)
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusFound)
		return true
	}
	return false
}

func (x *host) sendPageFile(w http.ResponseWriter, r *http.Request, file string, status int) bool {
	body, err := readPage(file)
	if err != nil {
		x.site.failed.report(x.site.logger, file, fmt.Errorf("error page: %w", err))
		return false
	}
	mime := x.site.mimeType(file)
	if mime == "" {
		mime = "text/html"
	}
	sendBody(w, r, status, mime, body)
	return true
}

func readPage(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, maxErrorPage+1))
	if err == nil && len(body) > maxErrorPage {
		err = fmt.Errorf("%q is longer than %d bytes", file, maxErrorPage)
	}
	return body, err
}

// execPage runs a URL of the site in place of the page. Like IIS it tells that URL what failed, as a query
// "404;http://host/path".
func (x *host) execPage(w http.ResponseWriter, r *http.Request, to string, status int) bool {
	target, err := url.Parse(to)
	if err != nil {
		return false
	}
	if target.RawQuery == "" {
		target.RawQuery = fmt.Sprintf("%d;%s", status, originalURL(r))
		target.RawQuery = target.RawQuery[:min(len(target.RawQuery), x.site.conf.Limits.Query)]
	}
	page := &pageWriter{w: w, status: status, header: http.Header{}}
	child := &host{site: x.site, depth: x.depth + 1, skip: x.skip, failing: true, trail: childTrail(x.trail)}
	child.serve(page, childRequest(r, target))
	page.WriteHeader(http.StatusOK) // if nothing was written
	return !page.failed
}

func originalURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + (&url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}).String()
}

// childRequest asks for target what r asked for, as a GET without a body and without conditions.
func childRequest(r *http.Request, target *url.URL) *http.Request {
	child := r.Clone(r.Context())
	child.URL, child.RequestURI = target, target.RequestURI()
	if child.Method != http.MethodHead {
		child.Method = http.MethodGet
	}
	child.Body, child.ContentLength, child.TransferEncoding = http.NoBody, 0, nil
	for _, name := range []string{
		"Content-Length", "Content-Type", "Transfer-Encoding", "Range", "If-Range", "If-Match", "If-None-Match",
		"If-Modified-Since", "If-Unmodified-Since", "Expect",
	} {
		child.Header.Del(name)
	}
	return child
}

// pageWriter gives an error page the status of the error. A page that is an error itself is kept from the client.
type pageWriter struct {
	w      http.ResponseWriter
	status int
	header http.Header
	wrote  bool
	failed bool
}

func (p *pageWriter) Header() http.Header { return p.header }

func (p *pageWriter) WriteHeader(status int) {
	if p.wrote || status < http.StatusOK {
		return
	}
	p.wrote = true
	if p.failed = status >= http.StatusBadRequest && status != p.status; p.failed {
		return
	}
	for name, values := range p.header {
		p.w.Header()[name] = values
	}
	if status == http.StatusOK {
		status = p.status
	}
	p.w.WriteHeader(status)
}

func (p *pageWriter) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	if p.failed {
		return len(b), nil
	}
	return p.w.Write(b)
}

// FlushError lets [http.ResponseController] flush.
func (p *pageWriter) FlushError() error {
	p.WriteHeader(http.StatusOK)
	if p.failed {
		return nil
	}
	return http.NewResponseController(p.w).Flush()
}
