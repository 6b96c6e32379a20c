package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// Control is how the commands of isapid reach a running server.
type Control struct {
	Socket       string // absolute path of a Unix socket, on Windows of a named pipe; "": none. Its folder may be missing; only its owner may have access
	StatusSocket string // absolute path of another that only tells and changes nothing; "": none
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

// socket takes where a socket may lie, or "" for none.
func (v value) socket(field *string) {
	if s, ok := v.node.(*ast.StringNode); ok && s.Value == "" {
		*field = ""
		return
	}
	if !v.text(field) {
		return
	}
	v.place(field)
}
