package site

import (
	"context"
	"errors"
	"net/http"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/passwd"
)

// auth is how an application with Basic authentication finds out who asks.
type auth struct {
	realm     string
	challenge string       // WWW-Authenticate
	users     *passwd.File // nil: the filters of the application say who may come in
	required  bool         // nobody without a name
}

var (
	badLogon  = refusal{http.StatusUnauthorized, 1}
	noLogon   = refusal{http.StatusUnauthorized, 2}
	busyLogon = refusal{http.StatusServiceUnavailable, 0}
)

// newAuth is nil for an application that asks nobody. files has the password files that are open, by path.
func (s *Site) newAuth(c *config.Authentication, files map[string]*passwd.File) (*auth, error) {
	if c.Basic == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	a := &auth{
		realm: c.Basic.Realm, required: c.Required, users: files[c.Basic.Users],
		challenge: executor.BasicScheme + ` realm="` + c.Basic.Realm + `", charset="UTF-8"`,
	}
	if c.Basic.Users == "" || a.users != nil {
		return a, nil
	}
	file, err := passwd.Open(c.Basic.Users, s.logger)
	if err != nil {
		return nil, err
	}
	a.users, files[c.Basic.Users] = file, file
	return a, nil
}

// ask finds out who asks: nil is nobody in particular. bad says why he may not come in.
func (a *auth) ask(r *http.Request) (u *executor.User, bad *refusal) {
	name, password, given, good := executor.Credentials(r)
	switch {
	case !good:
		return nil, &badLogon
	case !given && a.required:
		return nil, &noLogon
	case !given:
		return nil, nil
	case a.users == nil:
		return nil, &badLogon // nobody vouches for them, so far
	}
	return a.logon(r.Context(), name, password)
}

// logon lets in whom the password file has, or without one anybody: then it is a filter that asks.
func (a *auth) logon(ctx context.Context, name, password string) (*executor.User, *refusal) {
	if a.users != nil {
		ok, err := a.users.Verify(ctx, name, password)
		switch {
		case errors.Is(err, passwd.ErrBusy):
			return nil, &busyLogon
		case err != nil || !ok: // an error is that of a client that has gone
			return nil, &badLogon
		}
	}
	return &executor.User{Name: name, Password: password, Type: executor.BasicScheme}, nil
}

// accepts says whether whom the other has let in may come in here without being asked.
func (a *auth) accepts(other *auth, user bool) bool {
	return a == other || user && other != nil && a.users != nil && a.users == other.users
}

// admit finds out who asks, or refuses the request. What runs in place of another request has its user; a page for an error is for
// everybody.
func (x *host) admit(w http.ResponseWriter, r *http.Request, a *auth) bool {
	if x.failing || a.accepts(x.auth, x.user != nil) {
		return true
	}
	user, bad := a.ask(r)
	if bad != nil {
		x.refuse(w, r, *bad)
		return false
	}
	x.user, x.auth = user, a
	x.noteUser(x.user)
	return true
}

// challenge tells the client of a 401 how to come in, unless somebody else does.
func (x *host) challenge(header http.Header, r *http.Request) {
	p, bad := requestPath(r, &x.site.conf.Limits)
	if bad != nil {
		return
	}
	if a := x.site.application(p.text).auth; a != nil {
		a.addTo(header)
	}
}

func (a *auth) addTo(header http.Header) {
	if len(header["Www-Authenticate"]) == 0 {
		header.Set("WWW-Authenticate", a.challenge)
	}
}
