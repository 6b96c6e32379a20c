//go:build windows || (unix && cgo)

package filter_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/testext"
)

// rawChain is three filters with the names of their priorities, l and m before h, and g for all sites.
func rawChain(t *testing.T, s *setup, names string) {
	t.Helper()
	for _, name := range names {
		order := map[rune]string{'l': "LOW", 'm': "MEDIUM", 'h': "HIGH", 'g': "LOW"}[name]
		path := testext.Fixture(t, "filter_raw", fmt.Sprintf("-DNAME='%c'", name), "-DORDER=SF_NOTIFY_ORDER_"+order)
		f := s.load(path, func(c *filter.Config) { c.Name = string(name) })
		s.chain = append(s.chain, filter.Member{Filter: f, Global: name == 'g'})
	}
}

func newRaw(s *setup, c *filter.Connection) (r *filter.Raw, held *int) {
	held = new(int)
	return filter.NewRaw(c, func() ([]filter.Member, func()) {
		*held++
		return s.chain, func() { *held-- }
	}), held
}

// sink collects what is sent.
type sink struct{ strings.Builder }

func (s *sink) write(p []byte) error {
	_, _ = s.Write(p)
	return nil
}

// TestRawOrder: what is received goes through the filters in their order, what is sent in the opposite one.
func TestRawOrder(t *testing.T) {
	s := start(t)
	rawChain(t, s, "lmhg")
	c := filter.NewConnection(false)
	r, held := newRaw(s, c)
	out, next, err := r.Receive([]byte("<@>"), nil)
	if string(out) != "<ghml@>" || next != 0 || err != nil {
		t.Errorf("received %q %d %v", out, next, err)
	}
	var sent sink
	if err := r.Send([]byte("<@>"), sent.write); err != nil || sent.String() != "<lmhg@>" {
		t.Errorf("sent %q %v", &sent, err)
	}
	sent.Reset()
	end := r.Begin(s.chain[1:3])
	if err := r.Send([]byte("<@>"), sent.write); err != nil || sent.String() != "<mh@>" {
		t.Errorf("of a request: sent %q %v", &sent, err)
	}
	end()
	secure := filter.NewConnection(true)
	defer secure.End()
	only := testext.Fixture(t, "filter_raw", "-DPORTS=SF_NOTIFY_NONSECURE_PORT")
	s.chain = []filter.Member{{Filter: s.load(only, nil)}}
	if out, _, _ := filter.NewRaw(secure, func() ([]filter.Member, func()) { return s.chain, func() {} }).Receive([]byte("<@>"), nil); string(out) != "<@>" {
		t.Errorf("on the other port: %q", out)
	}
	if *held != 0 {
		t.Errorf("%d uses were not released", *held)
	}
	c.End()
	if got := s.events(); strings.Join(got, ",") != "l END_OF_NET_SESSION,m END_OF_NET_SESSION,h END_OF_NET_SESSION,g END_OF_NET_SESSION" &&
		strings.Join(got, ",") != "g END_OF_NET_SESSION,h END_OF_NET_SESSION,m END_OF_NET_SESSION,l END_OF_NET_SESSION" {
		t.Errorf("at the end: %q", got)
	}
	if _, _, err := r.Receive([]byte("x"), nil); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
	if err := r.Send([]byte("x"), sent.write); err == nil {
		t.Error("sent after the end")
	}
}

// TestRawReceive is one block that is received by two filters, l and h, and what the HTTP server gets of it, what is sent besides, and
// whether the connection goes on.
func TestRawReceive(t *testing.T) {
	const failed, denied = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	for _, c := range []struct {
		block, out, sent string
		ends             bool
		fault            string
	}{
		{"R-own", "own", "", false, ""},
		{"R-drop", "", "", false, ""},
		{"<@>R-handled", "<h@>R-handled", "", false, ""},
		{"<@>R-unknown", "<hl@>R-unknown", "", false, ""},
		{"<@>R-size", "<hl@>R-size", "", false, ""},
		{"<@>R-write", "<hl@>R-write", "<lh@><lh@>", false, ""},
		{"<@>R-wildwrite", "<hl@>R-wildwrite", "", false, ""},
		{"R-keep", "", "", false, ""},
		{"R-finish", "", "", true, ""},
		{"R-error", "", failed, true, ""},
		{"R-error5", "", denied, true, ""},
		{"R-crash", "", failed, true, segv},
		{"R-overrun", "", failed, true, "wrote beyond the end"},
		{"R-length", "", failed, true, "bytes are in a buffer of"},
		{"R-wild", "", failed, true, "cannot be read"},
		{"R-null", "", failed, true, "cannot be read"},
		{"R-huge", "", failed, true, "more than"},
	} {
		t.Run(c.block, func(t *testing.T) {
			s := start(t)
			rawChain(t, s, "lh")
			nc := filter.NewConnection(false)
			defer nc.End()
			r, held := newRaw(s, nc)
			var sent sink
			send := func(p []byte) error { return r.Send(p, sent.write) }
			out, _, err := r.Receive([]byte(c.block), send)
			if string(out) != c.out || (fmt.Sprint(err) == "EOF") != c.ends || err != nil && !c.ends || sent.String() != c.sent {
				t.Errorf("received %q, sent %q, %v", out, &sent, err)
			}
			if fault := fmt.Sprint(s.faults); !strings.Contains(fault, c.fault) || c.fault == "" && len(s.faults) > 0 {
				t.Errorf("faults %s, want %q", fault, c.fault)
			}
			if *held != 0 {
				t.Errorf("%d uses were not released", *held)
			}
		})
	}
}

// TestRawHeldBack: READ_NEXT collects, in each filter for itself, up to a limit.
func TestRawHeldBack(t *testing.T) {
	s := start(t)
	rawChain(t, s, "lh")
	c := filter.NewConnection(false)
	defer c.End()
	r, _ := newRaw(s, c)
	var sent sink
	send := func(p []byte) error { return r.Send(p, sent.write) }
	receive := func(block, want string, wantNext int) {
		t.Helper()
		if out, next, err := r.Receive([]byte(block), send); string(out) != want || next != wantNext || err != nil {
			t.Errorf("%q: %q, %d, %v; want %q, %d", block, out, next, err, want, wantNext)
		}
	}
	receive("R-more,", "", 0)
	receive("one,", "", 0)
	receive("two.", "R-more,one,two.", 0)
	receive("R-more7,", "", 7)
	receive("one.", "R-more7,one.", 0)

	receive("R-more,", "", 0)
	s.chain = s.chain[:1] // the one that holds it is not configured any more: what it held is not lost
	receive("two.", "R-more,two.", 0)

	receive("R-more,", "", 0)
	_, _, err := r.Receive([]byte(strings.Repeat("x", 128<<10)), send)
	if !errors.Is(err, io.EOF) || !strings.Contains(s.log.String(), "SF_STATUS_REQ_READ_NEXT with more than 131072 bytes") || !strings.HasPrefix(sent.String(), "HTTP/1.1 413 ") {
		t.Errorf("beyond the limit: %v, sent %q", err, &sent)
	}
}

// TestRawSend is one block that is sent through the filters l and h.
func TestRawSend(t *testing.T) {
	for _, c := range []struct {
		block, sent string
		ends        bool
		fault       string
	}{
		{"S-own", "own", false, ""},
		{"S-drop", "", false, ""},
		{"<@>S-handled", "<l@>S-handled", false, ""},
		{"<@>S-unknown", "<lh@>S-unknown", false, ""},
		{"<@>S-write", "<lh@><lh@><lh@>S-write", false, ""},
		{"S-forever", "", false, ""},
		{"S-wildwrite", "S-wildwrite", false, ""},
		{"S-keep", "", true, ""},
		{"S-finish", "", true, ""},
		{"S-error", "", true, ""},
		{"S-more", "S-more", false, ""},
		{"S-crash", "", true, segv},
		{"S-overrun", "", true, "wrote beyond the end"},
		{"S-length", "", true, "bytes are in a buffer of"},
		{"S-wild", "", true, "cannot be read"},
		{"S-huge", "", true, "more than"},
	} {
		t.Run(c.block, func(t *testing.T) {
			s := start(t)
			rawChain(t, s, "lh")
			nc := filter.NewConnection(false)
			defer nc.End()
			r, held := newRaw(s, nc)
			var sent sink
			err := r.Send([]byte(c.block), sent.write)
			got := sent.String()
			if c.block == "S-forever" { // each of the two writes it again, to a certain depth
				if n := strings.Count(got, "S-forever"); n < 4 || n > 1<<4 {
					t.Errorf("written %d times", n)
				}
				got = ""
			}
			if got != c.sent || (err != nil) != c.ends {
				t.Errorf("sent %q, %v", &sent, err)
			}
			if fault := fmt.Sprint(s.faults); !strings.Contains(fault, c.fault) || c.fault == "" && len(s.faults) > 0 {
				t.Errorf("faults %s, want %q", fault, c.fault)
			}
			if *held != 0 {
				t.Errorf("%d uses were not released", *held)
			}
		})
	}
	gone := start(t)
	rawChain(t, gone, "h")
	c := filter.NewConnection(false)
	defer c.End()
	r, _ := newRaw(gone, c)
	if err := r.Send([]byte("S-write"), func([]byte) error { return os.ErrClosed }); err == nil {
		t.Error("the client has gone, and nobody says so")
	}
}
