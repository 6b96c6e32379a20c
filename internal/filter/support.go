package filter

import (
	"errors"
	"net/http"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/reply"
	"github.com/isapid/isapid/internal/trace"
)

// request is one call of ServerSupportFunction. Most arguments mean nothing for most codes.
type request struct {
	s              *session
	q              *run
	data, ul1, ul2 uintptr
}

// supported has every code there is. All others are FALSE with ERROR_INVALID_PARAMETER.
var supported = map[isapi.SFReq]func(request) isapi.Error{
	isapi.SFSendResponseHeader:   request.sendResponseHeader,
	isapi.SFAddHeadersOnDenial:   request.addHeadersOnDenial,
	isapi.SFSetProxyInfo:         request.setProxyInfo,
	isapi.SFGetConnID:            request.getConnID,
	isapi.SFSetCertificateInfo:   func(request) isapi.Error { return isapi.NotSupported }, // TLS is the server's
	isapi.SFGetProperty:          request.getProperty,
	isapi.SFNormalizeURL:         request.normalizeURL,
	isapi.SFDisableNotifications: request.disableNotifications,
	isapi.SFGetCertInfoEx:        request.certInfo,
	isapi.SFGetFileDescriptor:    request.fileDescriptor,
}

// ServerSupportFunction is the callback of that name.
func (s *session) ServerSupportFunction(code isapi.SFReq, data, ul1, ul2 uintptr) isapi.Error {
	if code == isapi.SFSetNextReadSize {
		return s.setNextReadSize(ul1) // where there is no request yet
	}
	f := supported[code]
	if f == nil {
		return isapi.InvalidParameter
	}
	q, _ := s.enter()
	if q == nil {
		return s.outside(trace.FilterServerSupportFunction, code)
	}
	defer s.leave()
	return f(request{s, q, data, ul1, ul2})
}

// sendResponseHeader begins a response of the filter's own. The status may be NULL, for "200 OK", and so may the header text. What
// AddResponseHeaders has added counts as if it stood there, its Content-Length too.
func (c request) sendResponseHeader() isapi.Error {
	status, text := native.String(c.data, maxText), native.String(c.ul1, maxText)
	h, err := isapi.ParseHead(status, text)
	if err != nil {
		if !errors.Is(err, isapi.ErrStatus) {
			c.s.misused(executor.HeaderInjection, trace.FilterServerSupportFunction, isapi.SFSendResponseHeader, err.Error())
		}
		c.q.trail.Logger(c.q.log).Warn("response header refused", "error", err, "filter", c.s.f.conf.Name, "url", c.q.orig.URL.RequestURI())
		return isapi.InvalidParameter
	}
	return c.q.sendOwn(func(r *reply.Response) isapi.Error {
		c.q.takeAdded(&h)
		return r.Begin(&h, nil)
	})
}

// takeAdded moves what was added to the response into the head of one that is about to be sent.
func (q *run) takeAdded(h *isapi.Head) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, f := range q.added {
		if name := http.CanonicalHeaderKey(f.Name); single[name] || framing(name) {
			if _, has := h.Get(f.Name); has {
				continue
			}
		}
		h.Fields = append(h.Fields, f)
	}
	q.added = none(q.added)
}

// addHeadersOnDenial adds lines to the response if that is a denial.
func (c request) addHeadersOnDenial() isapi.Error {
	if c.data == 0 {
		return isapi.InvalidParameter
	}
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	return c.q.keepFields(&c.q.denial, c.data, c.s, trace.FilterServerSupportFunction, isapi.SFAddHeadersOnDenial)
}

func (c request) setProxyInfo() isapi.Error {
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	c.q.proxied = c.ul1&1 != 0
	return isapi.OK
}

// getConnID has not been supported since IIS 4; those who ask all the same find a 0.
func (c request) getConnID() isapi.Error {
	native.Write[uint32](c.data, 0)
	return isapi.NotSupported
}

// getProperty tells the number of the site. What TLS has of a connection is no SSPI context.
func (c request) getProperty() isapi.Error {
	switch c.ul1 {
	case isapi.PropertyInstanceNumID:
		c.q.mu.Lock()
		app := c.q.lead().App
		c.q.mu.Unlock()
		id := 1
		if app != nil {
			id = app.SiteID
		}
		native.Write(c.data, uint32(id))
		return isapi.OK
	case isapi.PropertySSLContext:
		return isapi.NotSupported
	}
	return isapi.InvalidParameter
}

func (c request) normalizeURL() isapi.Error {
	raw := native.String(c.data, maxHeaderValue)
	clean, ok := isapi.Normalize(raw)
	if !ok {
		return isapi.InvalidParameter
	}
	b := native.Writable(c.data, len(clean)+1)
	copy(b, clean)
	b[len(clean)] = 0
	return isapi.OK
}

// disableNotifications keeps events from the filter for the rest of the request. The end of the connection it is told all the same:
// that is another request's, too.
func (c request) disableNotifications() isapi.Error {
	c.s.off.Or(uint32(c.ul1))
	return isapi.OK
}

func (c request) certInfo() isapi.Error {
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	return c.q.variables().CertInfo(c.data)
}

// fileDescriptor is Zeus's request: the socket. It is the server's; a filter that writes to it by itself is on its own.
func (c request) fileDescriptor() isapi.Error {
	if c.q.client.Client == noConn || c.q.orig.TLS != nil {
		return isapi.InvalidParameter
	}
	fd, ok := c.q.client.Client.Descriptor()
	if !ok {
		return isapi.InvalidHandle
	}
	native.Write(c.data, uint32(fd))
	return isapi.OK
}
