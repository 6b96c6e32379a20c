package admin

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
)

// peer is the process at the other end of a connection.
type peer struct {
	uid, pid int // -1: not known
}

var unknown = peer{-1, -1}

type peerKey struct{}

// withPeer remembers who made the connection of a request.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, peerOfConn(c))
}

func peerOf(r *http.Request) peer { return r.Context().Value(peerKey{}).(peer) }

func peerOfConn(c net.Conn) peer {
	p := unknown
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { p = credentials(fd) }) // an error leaves p as it is
		}
	}
	return p
}

// allowed says whether the peer may give orders to this process.
func (p peer) allowed() bool { return p.mayControl(os.Geteuid()) }

// mayControl says whether the peer may give orders to a process of user uid: the same user and root may. Where the system tells
// no users, the rights of the socket's folder must do.
func (p peer) mayControl(uid int) bool {
	return p.uid >= 0 && (p.uid == uid || p.uid == 0) || p == unknown && !tellsPeers
}

// String is what can be put into a sentence behind the place where the peer listens: " (pid 12)", or nothing.
func (p peer) String() string {
	if p.pid <= 0 {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", p.pid)
}
