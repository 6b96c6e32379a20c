package filter

// #include "abi.h"
import "C"

import (
	"unsafe"
)

// RawData is a block of bytes that was received or is to be sent. The bytes may be changed where they are, or Data set to
// others.
type RawData struct{ Data []byte }

// URLMap is a path and where it leads. Path may be changed.
type URLMap struct{ URL, Path string }

// Authentication is who the client says it is, both "" if nobody. Both may be changed.
type Authentication struct{ User, Password string }

// AuthComplete has the headers of the request, which may still be changed.
type AuthComplete struct {
	*Headers
	ResetAuth bool // set it to have the user authenticated again after "url" was changed
}

// AccessDenied says what is refused, and why.
type AccessDenied struct {
	URL, Path string
	Reason    uint32 // SF_DENIED_*
}

// Log is the record of a request. The texts may be changed, and so may Status.
type Log struct {
	ClientHost, User, Server, Method, Path, Query string
	Status, Win32Status                           uint32
	BytesSent, BytesReceived, Milliseconds        uint32
}

// dispatch calls the function for a notification. what is its structure.
func (f *Filter) dispatch(c *Context, event uint32, what unsafe.Pointer) (Status, error) {
	switch event {
	case EventReadRawData:
		return rawData(c, (*C.HTTP_FILTER_RAW_DATA)(what), f.ReadRawData)
	case EventSendRawData:
		return rawData(c, (*C.HTTP_FILTER_RAW_DATA)(what), f.SendRawData)
	case EventPreprocHeaders:
		return f.PreprocHeaders(c, headersOf(c, what))
	case EventSendResponse:
		return f.SendResponse(c, headersOf(c, what))
	case EventAuthComplete:
		return authComplete(c, (*C.HTTP_FILTER_AUTH_COMPLETE_INFO)(what), f.AuthComplete)
	case EventURLMap:
		return urlMap(c, (*C.HTTP_FILTER_URL_MAP)(what), f.URLMap)
	case EventAuthentication:
		return authentication(c, (*C.HTTP_FILTER_AUTHENT)(what), f.Authentication)
	case EventAccessDenied:
		d := (*C.HTTP_FILTER_ACCESS_DENIED)(what)
		return f.AccessDenied(c, &AccessDenied{goString(d.pszURL), goString(d.pszPhysicalPath), uint32(d.dwReason)})
	case EventEndOfRequest:
		return f.EndOfRequest(c)
	case EventLog:
		return logged(c, (*C.HTTP_FILTER_LOG)(what), f.Log)
	case eventEndOfNetSession:
		if f.EndOfNetSession != nil {
			f.EndOfNetSession(c)
		}
	}
	return Next, nil
}

func headersOf(c *Context, what unsafe.Pointer) *Headers {
	return &Headers{c, (*C.HTTP_FILTER_PREPROC_HEADERS)(what)}
}

func rawData(c *Context, raw *C.HTTP_FILTER_RAW_DATA, f func(*Context, *RawData) (Status, error)) (Status, error) {
	place := unsafe.Slice((*byte)(raw.pvInData), raw.cbInBuffer)
	d := RawData{place[:raw.cbInData:raw.cbInData]}
	status, err := f(c, &d)
	if err != nil {
		return status, err
	}
	if len(d.Data) > len(place) {
		p, err := c.alloc(d.Data)
		if err != nil {
			return status, err
		}
		raw.pvInData, raw.cbInBuffer = p, C.DWORD(len(d.Data))
	} else {
		copy(place, d.Data) // on itself, if it is the same
	}
	raw.cbInData = C.DWORD(len(d.Data))
	return status, nil
}

func urlMap(c *Context, m *C.HTTP_FILTER_URL_MAP, f func(*Context, *URLMap) (Status, error)) (Status, error) {
	u := URLMap{goString(m.pszURL), goString(m.pszPhysicalPath)}
	status, err := f(c, &u)
	if err == nil {
		err = put(m.pszPhysicalPath, m.cbPathBuff, u.Path)
	}
	return status, err
}

func authentication(c *Context, a *C.HTTP_FILTER_AUTHENT, f func(*Context, *Authentication) (Status, error)) (Status, error) {
	who := Authentication{goString(a.pszUser), goString(a.pszPassword)}
	status, err := f(c, &who)
	if err == nil {
		err = put(a.pszUser, a.cbUserBuff, who.User)
	}
	if err == nil {
		err = put(a.pszPassword, a.cbPasswordBuff, who.Password)
	}
	return status, err
}

func authComplete(c *Context, info *C.HTTP_FILTER_AUTH_COMPLETE_INFO, f func(*Context, *AuthComplete) (Status, error)) (Status, error) {
	a := AuthComplete{headersOf(c, unsafe.Pointer(info)), info.fResetAuth != 0}
	status, err := f(c, &a)
	info.fResetAuth = 0
	if a.ResetAuth {
		info.fResetAuth = 1
	}
	return status, err
}

func logged(c *Context, r *C.HTTP_FILTER_LOG, f func(*Context, *Log) (Status, error)) (Status, error) {
	l := Log{
		ClientHost: goString(r.pszClientHostName), User: goString(r.pszClientUserName), Server: goString(r.pszServerName),
		Method: goString(r.pszOperation), Path: goString(r.pszTarget), Query: goString(r.pszParameters),
		Status: uint32(r.dwHttpStatus), Win32Status: uint32(r.dwWin32Status),
		BytesSent: uint32(r.dwBytesSent), BytesReceived: uint32(r.dwBytesRecvd), Milliseconds: uint32(r.msTimeForProcessing),
	}
	before := l
	status, err := f(c, &l)
	for _, text := range []struct {
		place      **C.char
		was, isNow string
	}{
		{&r.pszClientHostName, before.ClientHost, l.ClientHost}, {&r.pszClientUserName, before.User, l.User},
		{&r.pszServerName, before.Server, l.Server}, {&r.pszOperation, before.Method, l.Method},
		{&r.pszTarget, before.Path, l.Path}, {&r.pszParameters, before.Query, l.Query},
	} {
		if err == nil && text.was != text.isNow {
			var p unsafe.Pointer
			if p, err = c.alloc([]byte(text.isNow)); err == nil {
				*text.place = (*C.char)(p)
			}
		}
	}
	r.dwHttpStatus = C.DWORD(l.Status)
	return status, err
}

// put overwrites a text where it lies.
func put(place *C.char, room C.DWORD, text string) error {
	if goString(place) == text {
		return nil
	}
	if len(text) >= int(room) {
		return ErrInsufficientBuffer
	}
	mem := unsafe.Slice((*byte)(unsafe.Pointer(place)), room)
	mem[copy(mem, text)] = 0
	return nil
}

func goString(p *C.char) string { return C.GoString(p) }
