package site

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/isapid/isapid/internal/executor"
)

const staticMethods = "OPTIONS, GET, HEAD"

// serveFile answers with a file or folder, or what stands in for the folder.
func (x *host) serveFile(w http.ResponseWriter, r *http.Request, l *landing, documents bool) (res executor.Result, ran bool) {
	info, err := x.site.stat(l.at())
	switch {
	case err != nil:
		x.refuse(w, r, fileRefusal(err))
	case info.IsDir():
		return x.serveFolder(w, r, l, documents)
	case l.p.slash || !info.Mode().IsRegular():
		x.refuse(w, r, notFound)
	default:
		x.sendFile(w, r, l.at())
	}
	return res, false
}

// serveFolder sends the client to the URL with the slash, or answers with the first default document.
func (x *host) serveFolder(w http.ResponseWriter, r *http.Request, l *landing, documents bool) (res executor.Result, ran bool) {
	if !l.p.slash {
		if x.allowed(w, r) {
			to := url.URL{Path: l.p.text + "/", RawQuery: r.URL.RawQuery}
			w.Header().Set("Location", to.String())
			x.Error(w, r, http.StatusMovedPermanently, 0)
		}
		return res, false
	}
	if documents {
		if file, ok := x.site.document(l.at()); ok {
			return x.dispatch(w, r, urlPath{text: file}, false)
		}
	}
	x.Error(w, r, http.StatusForbidden, 14)
	return res, false
}

// document is the first default document that a folder has.
func (s *Site) document(folder string) (file string, ok bool) {
	for _, name := range s.conf.DefaultDocuments {
		for _, name := range []string{name, strings.ToLower(name)} {
			if file := folder + "/" + name; s.isFile(file) {
				return file, true
			}
		}
	}
	return "", false
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
	x.Trail().At(executor.StageSending)
	if rec := x.own(); rec != nil {
		w = rec.watch(w)
		defer rec.sentAll()
	}
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
