package conn

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// reasonLimit is the longest reason phrase in bytes.
const reasonLimit = 200

// reason replaces net/http's text in the next status line. Guarded by Conn.out.
type reason struct {
	set    bool
	status int
	text   string
}

// SetReason replaces the reason phrase of the next final status line written on this connection, if it has that status:
// extensions send free text ("500 Failed to open thread token") and net/http only knows its own. Call it before the
// handler writes the head. Control characters become blanks, and what is beyond 200 bytes is cut. It returns false where there is
// no such line: HTTP/2, or no connection of ours.
//
// It works because net/http flushes at each end of a response, so that the next head begins a Write.
func (c *Conn) SetReason(status int, text string) bool {
	if c == nil || c.kind.Load() == shared || status < 200 || status > 999 {
		return false
	}
	c.out.Lock()
	defer c.out.Unlock()
	c.reason = reason{set: true, status: status, text: cleanReason(text)}
	c.held.Store(true)
	return true
}

func cleanReason(s string) string {
	if len(s) > reasonLimit {
		n := reasonLimit
		for n > reasonLimit-utf8.UTFMax && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	clean := []byte(s)
	for i, b := range clean {
		if b < ' ' || b == 0x7f {
			clean[i] = ' '
		}
	}
	return strings.TrimSpace(string(clean))
}

// takeStatusLine splits p, which is about to be written, into a status line with our reason and the rest; line is nil when
// nothing changes. The reason is used up by the first final status line, whatever its status. The caller holds out.
func (c *Conn) takeStatusLine(p []byte) (line, rest []byte) {
	if !c.reason.set {
		return nil, p
	}
	const prefix = len("HTTP/1.1 200")
	if len(p) < prefix || !bytes.HasPrefix(p, []byte("HTTP/1.")) || p[prefix-4] != ' ' {
		return nil, p
	}
	status, err := strconv.Atoi(string(p[prefix-3 : prefix]))
	if err != nil || status < 200 {
		return nil, p
	}
	r := c.reason
	c.reason = reason{}
	end := bytes.Index(p, []byte("\r\n"))
	if status != r.status || end < prefix {
		return nil, p
	}
	line = append(line, p[:prefix]...)
	line = append(line, ' ')
	line = append(line, r.text...)
	return line, p[end:]
}
