package config

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// Control is how the commands of isapid reach a running server.
type Control struct {
	Socket       string // absolute path of a Unix socket; "": none. Its folder may be missing; only its owner may have access
	StatusSocket string // absolute path of a Unix socket that only tells and changes nothing; "": none
	StatusGroup  string // name or number of the group that has access to StatusSocket; "": that of the server
	Listen       string // "ADDRESS:PORT" for TLS with tokens, "" before the colon is every address; "": none
	Certificate  string // PEM file, leaf first; for Listen
	Key          string // PEM file
	Tokens       []Token
}

// Token is who may come in at Control.Listen: whoever shows the first line of the file.
type Token struct {
	File string
	Name string // in the log; default: the name of the file
	Role Role
}

// Role is what somebody may do.
type Role string

// The roles.
const (
	RoleRead    Role = "read"    // look
	RoleControl Role = "control" // look and change
)

// maxSocket is the longest name of a Unix socket that every system takes, in bytes.
const maxSocket = 103

// DefaultControlSocket returns where the control socket of a server is that says nothing else, and where the commands look for it:
// /run/isapid/control.sock for root, else isapid/control.sock below $XDG_RUNTIME_DIR, else below a folder of the
// user's own in the temporary folder. That one could have been made by somebody else: check its owner.
func DefaultControlSocket() string {
	return controlSocket(os.Geteuid(), os.Getenv("XDG_RUNTIME_DIR"), os.TempDir())
}

// controlSocket takes -1 for the uid of systems that have none, where the temporary folder is the user's own.
func controlSocket(uid int, runtimeDir, temp string) string {
	folder := "isapid"
	switch {
	case uid == 0:
		temp = systemRun()
	case filepath.IsAbs(runtimeDir):
		temp = runtimeDir
	case uid > 0:
		folder += "-" + strconv.Itoa(uid)
	}
	return filepath.Join(temp, folder, "control.sock")
}

func systemRun() string {
	if runtime.GOOS == "linux" {
		return "/run"
	}
	return "/var/run"
}

func (v value) control(c *Control) {
	v.object("control", fields{
		"socket":        func(v value) { v.socket(&c.Socket) },
		"status_socket": func(v value) { v.socket(&c.StatusSocket) },
		"status_group":  func(v value) { v.group(&c.StatusGroup) },
		"listen":        func(v value) { v.listen(&c.Listen) },
		"certificate":   func(v value) { v.path(&c.Certificate) },
		"key":           func(v value) { v.path(&c.Key) },
		"tokens":        func(v value) { v.tokens(&c.Tokens) },
	})
	v.checkControl(c)
}

// checkControl looks at how the keys go together.
func (v value) checkControl(c *Control) {
	d := v.d
	if c.StatusGroup != "" && c.StatusSocket == "" {
		d.errorOn(&c.StatusGroup, `"status_group" means nothing without a socket for it`, `add a line like "status_socket: /run/isapid/status.sock"`)
	}
	if c.StatusSocket != "" && c.StatusSocket == c.Socket {
		d.errorOn(&c.StatusSocket, `"status_socket" is the same as "socket"`, "give it another name: who may look may not change")
	}
	if _, given := d.at[&c.Listen]; !given {
		for _, field := range []any{&c.Certificate, &c.Key, &c.Tokens} {
			if _, given := d.at[field]; given {
				d.errorOn(field, `certificate, key and tokens mean nothing without an address for them`, `add a line like "listen: 127.0.0.1:9443"`)
				return
			}
		}
		return
	}
	if c.Certificate == "" || c.Key == "" {
		d.errorOn(&c.Listen, `"listen" needs a certificate and its key`, `add "certificate:" and "key:": tokens never travel in clear text`)
	} else {
		d.fileOn(&c.Certificate, "certificate", c.Certificate)
		d.fileOn(&c.Key, "key", c.Key)
	}
	if len(c.Tokens) == 0 {
		d.errorOn(&c.Listen, `"listen" needs tokens, or nobody can come in`, `add a line like "tokens: [{file: ./ops.token, role: control}]"`)
	}
}

// listen takes an IP address, or nothing for all, and a port.
func (v value) listen(field *string) {
	if !v.text(field) {
		return
	}
	host, port, err := net.SplitHostPort(*field)
	if err == nil && host == "localhost" {
		host = "127.0.0.1"
	}
	n, wrong := strconv.ParseUint(port, 10, 16)
	_, noIP := netip.ParseAddr(host)
	if err != nil || wrong != nil || host != "" && noIP != nil {
		v.fail(fmt.Sprintf("%q is %q, which is no address to listen on", v.key, *field), `write it like "127.0.0.1:9443" or ":9443"`)
		return
	}
	*field = net.JoinHostPort(host, strconv.FormatUint(n, 10))
}

func (v value) tokens(field *[]Token) {
	v.set(field)
	items := v.list("tokens")
	list := make([]Token, len(items))
	names := map[string]bool{}
	for i, item := range items {
		t := &list[i]
		t.Role = RoleRead
		item.object("token", fields{
			"file": func(v value) { v.path(&t.File) },
			"name": func(v value) { v.text(&t.Name) },
			"role": func(v value) { word(v, &t.Role, RoleRead, RoleControl) },
		})
		if _, given := v.d.at[&t.File]; !given {
			item.fail("a token has no file", `add a line like "file: ./ops.token"`)
			continue
		}
		if t.File != "" {
			v.d.fileOn(&t.File, "token", t.File)
		}
		if t.Name == "" {
			t.Name = filepath.Base(t.File)
		}
		if names[t.Name] {
			item.fail(fmt.Sprintf("the name %q is taken by an earlier token", t.Name), `give each its own "name": the log has it`)
		}
		names[t.Name] = true
	}
	*field = list
}

// socket takes a path that fits into a socket's address, or "" for none.
func (v value) socket(field *string) {
	if s, ok := v.node.(*ast.StringNode); ok && s.Value == "" {
		*field = ""
		return
	}
	if !v.text(field) {
		return
	}
	*field = v.d.path(*field)
	if n := len(*field); n > maxSocket {
		v.fail(fmt.Sprintf("%q is %d bytes with its folder", v.key, n), fmt.Sprintf("a socket's path has at most %d: name a shorter one", maxSocket))
	}
}
