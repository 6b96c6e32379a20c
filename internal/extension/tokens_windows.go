package extension

import (
	"github.com/isapid/isapid/internal/identity"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/taps"
	"github.com/isapid/isapid/internal/trace"
)

func init() {
	supported[isapi.GetImpersonationToken] = (*request).impersonationToken
	supported[isapi.GetAnonymousToken] = (*request).anonymousToken
	supported[isapi.GetUnicodeAnonymousToken] = (*request).anonymousToken
	told[isapi.GetImpersonationToken] = teller{known: true}
	told[isapi.GetAnonymousToken] = teller{known: true, in: func(c *trace.Entry, a call) { taps.Text(c, "path", a.buf) }}
	told[isapi.GetUnicodeAnonymousToken] = teller{known: true, in: func(c *trace.Entry, a call) { taps.Wide(c, "path", a.buf) }}
}

// impersonationToken is HSE_REQ_GET_IMPERSONATION_TOKEN: the server's, which the extension must not close.
func (q *request) impersonationToken(c call) isapi.Error {
	return giveToken(identity.Token, c.buf)
}

// anonymousToken is HSE_REQ_GET_ANONYMOUS_TOKEN and its UNICODE twin: a token of the extension's own, for it to close. Requests of nobody in
// particular run as all others, wherever in the metabase the path leads, so that it is not looked at.
func (q *request) anonymousToken(c call) isapi.Error {
	return giveToken(identity.Copy, c.size)
}

// giveToken stores a token where to points. It tries that first: nothing is made that nobody could close.
func giveToken(token func() (uintptr, error), to uintptr) isapi.Error {
	native.Write[uintptr](to, 0)
	h, err := token()
	if err != nil {
		return isapi.NoToken
	}
	native.Write(to, h)
	return isapi.OK
}
