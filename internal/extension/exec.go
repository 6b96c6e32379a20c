package extension

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/reply"
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
	target := narrow(c.buf)
	if target == "" {
		return isapi.InvalidParameter // it would be the parent again, without end
	}
	r, err := q.childRequest(target, verb)
	if err != nil {
		q.logger().Warn("child request refused", "error", err, "child", isapi.Clip(target), "url", q.r.URL.RequestURI())
		return isapi.InvalidParameter
	}
	setBody(r, http.NoBody, 0)
	return q.resp.Reserve(func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.sendURL = &child{r: r}
		q.notify()
	})
}

// runSendURL answers with the child's response; then the completion callback, if there is one.
func (q *request) runSendURL(c *child) {
	q.resp.Reopen()
	cw := q.resp.Child(false)
	if err := q.runChild(cw, c); err != isapi.OK {
		q.resp.GiveUp()
	}
	q.resp.Seal()
	q.mu.Lock()
	callback, context := q.io.callback, q.io.context
	q.mu.Unlock()
	if callback != 0 {
		q.complete(callback, context, uint32(cw.Bytes), cw.Err)
	}
}

// execURL is HSE_REQ_EXEC_URL and its UNICODE twin; the result comes by completion and GET_EXEC_URL_STATUS.
func (q *request) execURL(c call) isapi.Error {
	info := native.Read[isapi.ExecURLInfo](c.buf)
	var text string
	if c.code == isapi.ExecUnicodeURL {
		text = wide(info.URL)
	} else {
		text = narrow(info.URL)
	}
	r, err := q.childRequest(text, native.String(info.Method, 64))
	if err != nil {
		q.logger().Warn("child request refused", "error", err, "child", isapi.Clip(text), "url", q.r.URL.RequestURI())
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
	return q.async(c.code, reading|writing, 0, 0, func() (uint32, isapi.Error) { return 0, q.runExec(ch) })
}

func (q *request) runExec(c *child) isapi.Error {
	cw := q.resp.Child(c.noHeaders)
	err := q.runChild(cw, c)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.execStat = isapi.ExecURLStatus{HTTPStatusCode: uint16(cw.Status), Win32Error: uint32(err)}
	return err
}

// runChild lets the server answer the child request. A child that was broken off breaks its parent's response too, as far as that
// has begun.
func (q *request) runChild(cw *reply.Child, c *child) (err isapi.Error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if e, _ := p.(error); !errors.Is(e, http.ErrAbortHandler) {
			q.logger().Error("child request panicked", "panic", p, "child", c.r.URL.RequestURI(), "stack", string(debug.Stack()))
		}
		err = isapi.WriteFault
		cw.Err = err
		if q.resp.Begun() {
			q.resp.GiveUp()
		}
	}()
	q.t.Host.Exec(cw, c.r, c.skip)
	cw.WriteHeader(http.StatusOK)
	return cw.Err
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
		if !isapi.IsToken(verb) {
			return nil, fmt.Errorf("method %q of a child is not a token", isapi.Clip(verb))
		}
		r.Method = verb
	}
	if target == "" {
		return r, nil
	}
	if i := strings.Index(target, "://"); i > 0 && !strings.HasPrefix(target, "/") {
		host, rest, _ := strings.Cut(target[i+3:], "/")
		if !strings.EqualFold(host, q.r.Host) {
			return nil, fmt.Errorf("child URL %q is on another host: send a redirect instead", isapi.Clip(target))
		}
		target = "/" + rest
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

// childBody gives the child the entity the extension has for it. Without one it gets the whole body; if the extension has
// read on with ReadClient, what is unread.
func (q *request) childBody(r *http.Request, entity uintptr) isapi.Error {
	if entity != 0 {
		en := native.Read[isapi.ExecURLEntityInfo](entity)
		if int32(en.Available) < 0 {
			return isapi.InvalidParameter
		}
		data := bytes.Clone(native.Bytes(en.Data, int(en.Available)))
		setBody(r, bytes.NewReader(data), int64(len(data)))
		return isapi.OK
	}
	b := &q.body
	ahead := bytes.Clone(b.ahead) // the child may outlive the call, not the request
	switch left, n := b.left(), int64(len(ahead)); {
	case b.whole:
		setBody(r, bytes.NewReader(ahead), n)
	case b.begun() && r.ContentLength < 0:
		setBody(r, readerFunc(b.read), -1)
	case b.begun():
		setBody(r, readerFunc(b.read), left)
	default:
		setBody(r, io.MultiReader(bytes.NewReader(ahead), readerFunc(b.read)), r.ContentLength)
	}
	return isapi.OK
}

// setBody makes all that a request says of its body true; n -1 is an unknown length.
func setBody(r *http.Request, body io.Reader, n int64) {
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(body), n, nil
	r.Header.Del("Content-Length")
	r.Header.Del("Transfer-Encoding")
	switch {
	case n == 0:
		r.Body = http.NoBody
	case n > 0:
		r.Header.Set("Content-Length", strconv.FormatInt(n, 10))
	default:
		r.TransferEncoding = []string{"chunked"}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
