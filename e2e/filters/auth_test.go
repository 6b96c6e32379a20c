package filters

import (
	"testing"

	"github.com/isapid/isapid/internal/config"
)

// Who is let in, and what the extension is told of them.
func TestAuthentication(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, global: filters(t, mode, named("a")), applications: []string{secret(t)}})
		s.get("/secret/page.txt", basic("alice", "wonderland")).want(t, 200, "secret\n")
		denied := s.get("/secret/page.txt", basic("alice", "wrong"))
		denied.want(t, 401, "*")
		denied.wantHeader(t, "Www-Authenticate", `Basic realm="inside", charset="UTF-8"`)
		s.get("/secret/page.txt").want(t, 401, "*")
		s.get("/secret/page.txt", "Authorization: Basic !!!").want(t, 401, "*")
		s.get("/secret/page.txt", "Authorization: Negotiate abc").want(t, 401, "*")
	})
}

// AUTHENTICATION comes once for a connection, and again for other credentials.
func TestAuthenticationOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, global: filters(t, mode, named("a", "-DEVENTS=SF_NOTIFY_AUTHENTICATION")), applications: []string{secret(t)}})
		c := s.dial()
		c.ask("GET /secret/page.txt").want(t, 401, "*")
		for range 3 {
			c.ask("GET /secret/page.txt", basic("alice", "wonderland")).want(t, 200, "secret\n")
		}
		c.ask("GET /secret/page.txt", basic("alice", "wrong")).want(t, 401, "*")
		c.ask("GET /secret/page.txt", basic("alice", "wonderland")).want(t, 200, "secret\n")
		wantTrace(t, s.trace(), `
			a#1 AUTHENTICATION "" ""
			a#1 AUTHENTICATION "alice" "wonderland"
			a#1 AUTHENTICATION "alice" "wrong"
			a#1 AUTHENTICATION "alice" "wonderland"`)
	})
}

// A user that a filter puts in the place of the client's is the one of the request, and stays it on the connection.
func TestAnotherUser(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, global: filters(t, mode, named("a")), applications: []string{secret(t)}})
		c := s.dial()
		steps := do("AUTHENTICATION=user:alice|wonderland; AUTH_COMPLETE=var:AUTH_USER; AUTH_COMPLETE=var:REMOTE_USER; " +
			"AUTH_COMPLETE=var:UNMAPPED_REMOTE_USER; AUTH_COMPLETE=var:AUTH_TYPE; AUTH_COMPLETE=var:LOGON_USER")
		c.ask("GET /secret/page.txt", basic("web", "x"), steps).want(t, 200, "secret\n")
		c.ask("GET /secret/page.txt", basic("web", "x"), steps).want(t, 200, "secret\n")
		for _, line := range []string{"AUTH_USER alice", "REMOTE_USER alice", "UNMAPPED_REMOTE_USER web", "AUTH_TYPE Basic", "LOGON_USER alice"} {
			s.untilTrace(" var "+line, 2)
		}
		// To nobody, where somebody is wanted, and to somebody with another password.
		s.get("/secret/page.txt", basic("alice", "wonderland"), do("AUTHENTICATION=user:|")).want(t, 401, "*")
		s.get("/secret/page.txt", basic("alice", "wonderland"), do("AUTHENTICATION=user:alice|other")).want(t, 401, "*")
		s.get("/secret/page.txt", do("AUTHENTICATION=user:alice|wonderland")).want(t, 200, "secret\n")
	})
}

// ERROR ends the request with what GetLastError says.
func TestErrors(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, global: filters(t, mode, named("a")), applications: []string{secret(t)}})
		for _, event := range []string{"PREPROC_HEADERS", "URL_MAP", "AUTHENTICATION", "AUTH_COMPLETE"} {
			s.get("/page.txt", do(event+"=error:5")).want(t, 401, "*")
			s.get("/page.txt", do(event+"=error:2")).want(t, 500, "*")
			s.get("/page.txt", do(event+"=error:0")).want(t, 500, "*")
		}
		s.get("/page.txt", do("SEND_RESPONSE=error:2")).want(t, 500, "*")
		s.get("/page.txt", do("END_OF_REQUEST=error:5; LOG=error:5")).want(t, 200, "hello\n")
		s.get("/empty/", do("ACCESS_DENIED=error:2")).want(t, 500, "*")
		s.get("/page.txt").want(t, 200, "hello\n")
	})
}

// Reasons of ACCESS_DENIED, and what a filter adds to a refusal.
func TestDenied(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, global: filters(t, mode, named("a")), applications: []string{secret(t)}, handlers: extensions, images: images(t, mode)})
		for _, c := range []struct{ url, steps, reason string }{
			{"/secret/page.txt", "", "/secret/page.txt 0x1"},
			{"/empty/", "", "/empty/ 0x2"},
			{"/page.txt", "AUTHENTICATION=error:5", "/page.txt 0x4"},
			{"/play/x?status=401+No&send=", "", "/play/x?status=401+No&send= 0x8"},
			{"/play/x?status=403+No&send=", "", "/play/x?status=403+No&send= 0x8"},
		} {
			res := s.get(c.url, do(c.steps+"; PREPROC_HEADERS=denial:X-Why: because; PREPROC_HEADERS=response:X-All: yes"))
			res.wantHeader(t, "X-Why", "because")
			res.wantHeader(t, "X-All", "yes")
			s.untilTrace("ACCESS_DENIED "+c.reason, 1)
		}
		allowed := s.get("/page.txt", do("PREPROC_HEADERS=denial:X-Why: because; PREPROC_HEADERS=response:X-All: yes"))
		allowed.want(t, 200, "hello\n")
		allowed.wantHeader(t, "X-Why", "")
		allowed.wantHeader(t, "X-All", "yes")
		mine := s.get("/secret/page.txt", do("ACCESS_DENIED=page:log in here; ACCESS_DENIED=finished"))
		mine.want(t, 200, "log in here")
	})
}

// What AUTH_COMPLETE may change: the URL, and that the user is asked for again.
func TestAuthComplete(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, global: filters(t, mode, named("a")), applications: []string{secret(t)}, handlers: extensions, images: images(t, mode)})
		s.get("/page.txt", do("AUTH_COMPLETE=set:url|/other.txt")).want(t, 200, "other\n")
		s.get("/page.txt", do("AUTH_COMPLETE=set:url|/play/x?write=reached")).want(t, 200, "reached")
		s.get("/page.txt", do("AUTH_COMPLETE=set:url|/secret/page.txt; AUTH_COMPLETE=reset")).want(t, 401, "*")
		s.get("/page.txt", basic("alice", "wonderland"), do("AUTH_COMPLETE=set:url|/secret/page.txt; AUTH_COMPLETE=reset")).want(t, 200, "secret\n")
		s.get("/page.txt", do("AUTH_COMPLETE=token")).want(t, 200, "hello\n")
		if mode != underWine { // there are tokens on Windows
			s.untilTrace("! token", 1)
		}
	})
}
