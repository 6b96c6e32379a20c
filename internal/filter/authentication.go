package filter

import (
	"net/http"
	"strings"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
)

// logon is what filters made of the credentials of a connection. They are asked at its first request, and again when the client
// gives others than before, or the same to another application: what they say of a user in one means nothing in another.
type logon struct {
	round          uint64 // counts how often they were asked; sessions say in which round they were
	to             asked
	given          string // user of that
	user, password string // as filters left them
	changed        bool   // they are not those the client gave
	vouched        bool   // HANDLED_NOTIFICATION: the host need not know them, where it leaves that to filters
}

// asked is who wants to come in where.
type asked struct {
	header string // all of Authorization
	site   int
	path   string // of the application
}

func (q *run) asked() asked {
	a := asked{header: strings.Join(q.r.Header["Authorization"], "\n")}
	if app := q.route.App; app != nil {
		a.site, a.path = app.SiteID, app.Path
	}
	return a
}

// decides tells whether what filters made of the credentials says who may come in on a route, and not the credentials.
func (l *logon) decides(rt *executor.Route) bool { return l.changed || l.vouched && rt.Denied }

// authenticate is AUTHENTICATION: filters may put another user and password in the place of those the client gave. Both are empty
// for who gives none: also for who gives something that is no name and password, whom the application may let in as nobody in
// particular, and whom the filters could not keep out if they were not asked.
func (q *run) authenticate() verdict {
	if q.events&isapi.NotifyAuthentication == 0 {
		return next
	}
	l, to := &q.c.logon, q.asked()
	if q.unasked(to) {
		user, password, _, good := executor.Credentials(q.r)
		if !fits(user, nameSize) || !fits(password, nameSize) {
			q.isUser(nil, true) // rather than one that filters cannot see
			return next
		}
		if v := q.askWho(user, password, to); v != next {
			l.round++ // whoever was asked is asked again
			return v
		}
		l.vouched = l.vouched && good
	}
	if l.decides(q.route) {
		q.logOn()
	}
	return next
}

// unasked tells whether there is a filter that was not asked about this on this connection.
func (q *run) unasked(to asked) bool {
	l := &q.c.logon
	if l.round == 0 || l.to != to {
		return true
	}
	for i := range q.members {
		if m := &q.members[i]; m.events&isapi.NotifyAuthentication != 0 && m.s.round != l.round {
			return true
		}
	}
	return false
}

func (q *run) askWho(user, password string, to asked) verdict {
	l := &q.c.logon
	*l = logon{round: l.round + 1, to: to, given: user, user: user, password: password}
	at := q.base + atLogon
	v := q.notify(isapi.NotifyAuthentication, at, func() int {
		native.Write(at, isapi.FilterAuthent{
			User: q.offer(atUser, nameSize, l.user), UserSize: nameSize,
			Password: q.offer(atPassword, nameSize, l.password), PasswordSize: nameSize,
		})
		return alone
	}, func() error {
		name, err := q.taken(atUser, nameSize)
		if err != nil {
			return err
		}
		word, err := q.taken(atPassword, nameSize)
		if err != nil {
			return err
		}
		if string(name) != l.user || string(word) != l.password {
			l.user, l.password, l.changed = string(name), string(word), true
		}
		return nil
	})
	l.vouched = v == next && q.handled
	for i := range q.members {
		if s := q.members[i].s; !s.disabled(isapi.NotifyAuthentication) { // who did not want to hear of it is asked next time
			s.round = l.round
		}
	}
	return v
}

// logOn asks the host about the user that filters say it is.
func (q *run) logOn() {
	l := &q.c.logon
	user, denied := q.h.Logon(q.r, q.route, l.user, l.password)
	if user != nil && l.given != "" && user.Unmapped == "" && user.Name != l.given {
		mapped := *user
		mapped.Unmapped = l.given
		user = &mapped
	}
	q.isUser(user, denied)
}

func (q *run) isUser(u *executor.User, denied bool) {
	q.route.User, q.route.Denied = u, denied
	if q.route.Target != nil {
		q.route.Target.User = u
	}
}

// authComplete is AUTH_COMPLETE: who asks is known. Filters may change the request once more. Where it leads then decides again who
// may come in, with what AUTHENTICATION made of the credentials.
func (q *run) authComplete() verdict {
	if q.events&isapi.NotifyAuthComplete == 0 {
		return next
	}
	f := funcs()
	at := q.base + atHeaders
	reset, status, before := false, uint32(http.StatusOK), q.route
	v := q.notify(isapi.NotifyAuthComplete, at, func() int {
		q.again()
		return put(at, isapi.FilterAuthComplete{
			GetHeader: f.get, SetHeader: f.set, AddHeader: f.add, GetUserToken: f.token, HTTPStatus: status,
		})
	}, func() error {
		info := native.Read[isapi.FilterAuthComplete](at)
		reset = reset || info.ResetAuth != 0
		status = info.HTTPStatus
		return nil
	})
	if v != next {
		return v
	}
	q.again()
	if q.route != before {
		if v := q.mapURLs(); v != next {
			return v
		}
	} else if reset {
		q.resetAuth()
	}
	if status >= 400 && status <= 599 && !q.route.Denied { // a filter says what the response is to be
		if status == http.StatusUnauthorized || status == http.StatusForbidden {
			q.head.reason = isapi.DeniedFilter
		}
		q.page(int(status), 0)
		return finished
	}
	return next
}

// again finds out where a request leads that filters have changed, and who asks there.
func (q *run) again() {
	if q.reroute() {
		q.lead()
		if q.events&isapi.NotifyAuthentication != 0 && q.c.logon.decides(q.route) {
			q.logOn()
		}
	}
}

// resetAuth is fResetAuth without another URL: the credentials, as filters made them, are looked at again.
func (q *run) resetAuth() {
	if q.events&isapi.NotifyAuthentication != 0 && q.c.logon.decides(q.route) {
		q.logOn()
		return
	}
	user, password, _, good := executor.Credentials(q.r)
	if !good {
		return // what the route says of them holds
	}
	q.isUser(q.h.Logon(q.r, q.route, user, password))
}

var _ executor.Host = (*mapper)(nil)
