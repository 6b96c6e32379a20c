package admin

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
)

// peer is the process at the other end of a connection.
type peer struct {
	uid, pid int    // -1: not known
	user     string // the name of its account, where users have no numbers; "": not known
}

var unknown = peer{uid: -1, pid: -1}

type peerKey struct{}

// withPeer remembers who made the connection of a request.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, peerOfConn(c))
}

func peerOf(r *http.Request) peer { return r.Context().Value(peerKey{}).(peer) }

// allowed says whether the peer may give orders to this process.
func (p peer) allowed() bool { return p.mayControl(os.Geteuid()) }

// mayControl says whether the peer may give orders to a process of user uid: the same user and root may. Where the system tells
// no users, the rights of the socket must do.
func (p peer) mayControl(uid int) bool {
	return p.uid >= 0 && (p.uid == uid || p.uid == 0) || p.uid < 0 && !tellsUsers
}

// String is what can be put into a sentence behind the place where the peer listens: " (pid 12)", or nothing.
func (p peer) String() string {
	if p.pid <= 0 {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", p.pid)
}
