package extension

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
)

// child is a request that an extension makes of the server: SEND_URL, EXEC_URL.
type child struct {
	r         *http.Request
	skip      bool // pass over the wildcard handler that runs the parent
	noHeaders bool
}

func (q *request) sendURLGet(c call) isapi.Error { return q.queueChild(c, http.MethodGet) }

// sendURLVerb is HSE_REQ_SEND_URL_EX: SEND_URL with a verb where dataType points.
func (q *request) sendURLVerb(c call) isapi.Error {
	verb := native.String(c.dataType, 64)
	if verb == "" {
		verb = http.MethodGet
	}
	return q.queueChild(c, verb)
}

// queueChild is HSE_REQ_SEND_URL: the server answers as if the client had asked for that URL. It runs when the extension has
// left HttpExtensionProc, so that one thread is enough for parent and child; what the extension writes after it is dropped.
func (q *request) queueChild(c call, verb string) isapi.Error {
	target := native.String(c.buf, maxURL)
	r, err := q.childRequest(target, verb)
	if err != nil {
		q.e.log.Warn("child request refused", "error", err, "child", isapi.Clip(target), "url", q.r.URL.RequestURI())
		return isapi.InvalidParameter
	}
	r.Body, r.ContentLength = http.NoBody, 0
	r.Header.Del("Content-Length")
	s := &q.resp
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished || s.head || s.ended || len(s.raw) > 0 {
		return isapi.InvalidParameter
	}
	s.ended = true
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sendURL = &child{r: r}
	q.notify()
	return isapi.OK
}

// runSendURL answers with the child's response; then the completion callback, if there is one.
func (q *request) runSendURL(c *child) {
	q.resp.reopen()
	cw := &childWriter{s: &q.resp}
	q.t.Host.Exec(cw, c.r, c.skip)
	cw.WriteHeader(http.StatusOK)
	q.resp.seal()
	q.mu.Lock()
	callback, context := q.io.callback, q.io.context
	q.mu.Unlock()
	if callback != 0 {
		q.complete(callback, context, uint32(cw.n), isapi.OK)
	}
}

// execURL is HSE_REQ_EXEC_URL and its UNICODE twin; the result comes by completion and GET_EXEC_URL_STATUS.
func (q *request) execURL(c call) isapi.Error {
	info := native.Read[isapi.ExecURLInfo](c.buf)
	var text string
	if c.code == isapi.ExecUnicodeURL {
		text = wide(info.URL)
	} else {
		text = native.String(info.URL, maxURL)
	}
	r, err := q.childRequest(text, native.String(info.Method, 64))
	if err != nil {
		q.e.log.Warn("child request refused", "error", err, "child", isapi.Clip(text), "url", q.r.URL.RequestURI())
		return isapi.InvalidParameter
	}
	if info.ChildHeaders != 0 {
		h, err := isapi.ParseHead("200", native.String(info.ChildHeaders, maxHeader)+"\r\n")
		if err != nil {
			return isapi.InvalidParameter
		}
		replaceHeaders(r, h.Fields)
	}
	if err := q.childBody(r, info.Entity); err != isapi.OK {
		return err
	}
	if info.Flags&isapi.ExecIgnoreValidationAndRange != 0 {
		for _, h := range []string{"Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
			r.Header.Del(h)
		}
	}
	ch := &child{r: r, skip: info.Flags&isapi.ExecIgnoreCurrentInterceptor != 0, noHeaders: info.Flags&isapi.ExecNoHeaders != 0}
	return q.async(0, 0, func() (uint32, isapi.Error) { return 0, q.runExec(ch) })
}

func (q *request) runExec(c *child) isapi.Error {
	cw := &childWriter{s: &q.resp, noHeaders: c.noHeaders}
	q.t.Host.Exec(cw, c.r, c.skip)
	cw.WriteHeader(http.StatusOK)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.execStat = isapi.ExecURLStatus{HTTPStatusCode: uint16(cw.status), Win32Error: uint32(cw.err)}
	return cw.err
}

func (q *request) execURLStatus(c call) isapi.Error {
	q.mu.Lock()
	st := q.execStat
	q.mu.Unlock()
	native.Write(c.buf, st)
	return isapi.OK
}

// childRequest is the parent's request with another URL and verb; "" inherits.
func (q *request) childRequest(target, verb string) (*http.Request, error) {
	r := q.r.Clone(q.r.Context())
	if verb != "" {
		r.Method = verb
	}
	if target == "" {
		return r, nil
	}
	if i := strings.Index(target, "://"); i > 0 && !strings.HasPrefix(target, "/") {
		if _, rest, ok := strings.Cut(target[i+3:], "/"); ok {
			target = "/" + rest
		}
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(u.Path, "/") {
		return nil, &url.Error{Op: "parse", URL: target, Err: url.InvalidHostError("a local URL begins with /")}
	}
	r.URL, r.RequestURI = u, target
	return r, nil
}

func replaceHeaders(r *http.Request, fields []isapi.Field) {
	r.Header = http.Header{}
	for _, f := range fields {
		if strings.EqualFold(f.Name, "Host") {
			r.Host = f.Value
			continue
		}
		r.Header.Add(f.Name, f.Value)
	}
}

// childBody gives the child the entity the extension has for it, or the whole read-ahead and what is unread after it.
func (q *request) childBody(r *http.Request, entity uintptr) isapi.Error {
	if entity != 0 {
		en := native.Read[isapi.ExecURLEntityInfo](entity)
		if int32(en.Available) < 0 {
			return isapi.InvalidParameter
		}
		data := bytes.Clone(native.Bytes(en.Data, int(en.Available)))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
		return isapi.OK
	}
	if q.body.whole {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(q.body.ahead)), int64(len(q.body.ahead))
		return isapi.OK
	}
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(q.body.ahead), readerFunc(q.body.read)))
	return isapi.OK
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// childWriter is the ResponseWriter of a child request: it becomes the parent's response, as far as that has not begun.
type childWriter struct {
	s         *response
	noHeaders bool
	header    http.Header
	status    int
	n         int64
	err       isapi.Error
}

func (c *childWriter) Header() http.Header {
	if c.header == nil {
		c.header = http.Header{}
	}
	return c.header
}

func (c *childWriter) WriteHeader(status int) {
	if c.status != 0 || status < 200 {
		return
	}
	c.status = status
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.noHeaders || c.s.head || c.s.ended || c.s.finished {
		return
	}
	h := isapi.Head{Status: status}
	for name, values := range c.header {
		for _, v := range values {
			h.Fields = append(h.Fields, isapi.Field{Name: name, Value: v})
		}
	}
	c.err = c.s.sendHead(&h, nil)
}

func (c *childWriter) Write(p []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	var err isapi.Error
	if c.s.head {
		err = c.s.bodyOfChild(p)
	} else {
		err = c.s.writeLocked(p)
	}
	if err != isapi.OK {
		c.err = err
		return 0, err
	}
	c.n += int64(len(p))
	return len(p), nil
}

// Flush lets a child stream.
func (c *childWriter) Flush() {
	c.WriteHeader(http.StatusOK)
	c.s.flush()
}

// bodyOfChild is a write that is no part of the extension's own chunk framing.
func (s *response) bodyOfChild(p []byte) isapi.Error {
	if s.finished || s.ended || s.err != isapi.OK {
		return s.err
	}
	return s.send(p)
}

// reopen lets the child of SEND_URL write what the extension may not any more.
func (s *response) reopen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = false
}

func (s *response) seal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}
