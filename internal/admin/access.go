package admin

import (
	"context"
	"fmt"
	"net/http"
)

// Role is what somebody may do with a server.
type Role string

// The roles.
const (
	RoleRead    Role = "read"    // look, but at no secrets and no bodies
	RoleControl Role = "control" // everything
)

// may says whether the role is enough for what needs another.
func (r Role) may(needs Role) bool { return r == RoleControl || r == needs }

// caller is who makes a request.
type caller struct {
	role Role

	peer         // of a socket or pipe
	token string // the name of the one he has shown
	from  string // the address he comes from
}

// String is who it is, in words: "user 0", `user SHOP\anna`, "token ci"; "" if nobody knows.
func (c caller) String() string {
	switch {
	case c.token != "":
		return "token " + c.token
	case c.user != "":
		return "user " + c.user
	case c.uid >= 0:
		return fmt.Sprintf("user %d", c.uid)
	}
	return ""
}

// did says who did something: "deploy by user 0".
func (c caller) did(what string) string {
	if who := c.String(); who != "" {
		return what + " by " + who
	}
	return what
}

// attrs are for the log.
func (c caller) attrs() []any {
	if c.from != "" {
		return []any{"token", c.token, "from", c.from}
	}
	if c.user != "" {
		return []any{"user", c.user, "pid", c.pid}
	}
	return []any{"uid", c.uid, "pid", c.pid}
}

// call is a request on its way through the handler.
type call struct {
	caller
	told bool // the log knows of it
}

type callKey struct{}

// withCall has [callOf] find c.
func withCall(r *http.Request, c *call) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), callKey{}, c))
}

func callOf(r *http.Request) *call { return r.Context().Value(callKey{}).(*call) }

// tell has the log say who asked for something.
func (h *handler) tell(r *http.Request, args ...any) {
	c := callOf(r)
	c.told = true
	h.log.Info("control request", append(append([]any{"path", r.URL.Path}, c.attrs()...), args...)...)
}

// tellAtLeast has the log know of a request that changes something, or would have, if the route has not told of it.
func (h *handler) tellAtLeast(r *http.Request, to route, err error) {
	if to.needs != RoleControl || callOf(r).told {
		return
	}
	var args []any
	if err != nil {
		args = []any{"error", err}
	}
	h.tell(r, args...)
}

// ownerOnly lets in the user of this process, and root: what the control socket does.
func ownerOnly(r *http.Request) (caller, *Error) {
	who := peerOf(r)
	if !who.allowed() {
		return caller{peer: who}, &Error{http.StatusForbidden, fmt.Sprintf("user %d may not control this server", who.uid), "ask as its user, or as root"}
	}
	return caller{role: RoleControl, peer: who}, nil
}

// readers lets in whoever gets as far as a socket, to look: the rights of its file say who that is.
func readers(r *http.Request) (caller, *Error) { return caller{role: RoleRead, peer: peerOf(r)}, nil }
