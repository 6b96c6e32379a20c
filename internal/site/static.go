package site

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
)

const staticMethods = "OPTIONS, GET, HEAD"

// serveFile answers with the file or folder that p names.
func (x *host) serveFile(w http.ResponseWriter, r *http.Request, p urlPath, documents bool) {
	info, err := x.site.stat(p.text)
	switch {
	case err != nil:
		x.refuse(w, r, fileRefusal(err))
	case info.IsDir():
		x.serveFolder(w, r, p, documents)
	case p.slash || !info.Mode().IsRegular():
		x.refuse(w, r, notFound)
	default:
		x.sendFile(w, r, p.text)
	}
}

// serveFolder sends the client to the URL with the slash, or answers with the first default document.
func (x *host) serveFolder(w http.ResponseWriter, r *http.Request, p urlPath, documents bool) {
	if !p.slash {
		if x.allowed(w, r) {
			to := url.URL{Path: p.text + "/", RawQuery: r.URL.RawQuery}
			w.Header().Set("Location", to.String())
			x.Error(w, r, http.StatusMovedPermanently, 0)
		}
		return
	}
	if documents {
		for _, name := range x.site.conf.DefaultDocuments {
			for _, name := range []string{name, strings.ToLower(name)} {
				if file := p.text + "/" + name; x.site.isFile(file) {
					x.dispatch(w, r, urlPath{text: file}, false)
					return
				}
			}
		}
	}
	x.Error(w, r, http.StatusForbidden, 14)
}

// sendFile sends a regular file, in parts or not at all if the request says so.
func (x *host) sendFile(w http.ResponseWriter, r *http.Request, name string) {
	s := x.site
	mime := s.mimeType(name)
	if mime == "" || looksLikeImage(name) || belongsToUpdate(name) {
		x.Error(w, r, http.StatusNotFound, 3)
		return
	}
	if !x.allowed(w, r) {
		return
	}
	f, info, err := s.openFile(name)
	if err != nil {
		x.refuse(w, r, fileRefusal(err))
		return
	}
	defer f.Close()
	if s.isPrivate(s.physical(name), info) {
		x.refuse(w, r, notFound)
		return
	}
	header := w.Header()
	header.Set("Content-Type", mime)
	header.Set("ETag", etag(info))
	http.ServeContent(w, r, path.Base(name), info.ModTime(), f)
}

func etag(info fs.FileInfo) string {
	return fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size())
}

// allowed answers the methods that static content does not have, and OPTIONS.
func (x *host) allowed(w http.ResponseWriter, r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return true
	case http.MethodOptions:
		w.Header().Set("Allow", staticMethods)
		w.Header().Set("Content-Length", "0")
	default:
		w.Header().Set("Allow", staticMethods)
		x.refuse(w, r, wrongMethod)
	}
	return false
}

// mimeType is the type a file is sent as; "" if it has none and is not sent.
func (s *Site) mimeType(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if t, ok := s.conf.MIME[ext]; ok {
		return t
	}
	return mimeTypes[ext]
}
