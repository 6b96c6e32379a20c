//go:build linux

package remote_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/wire"
)

// empty is the message of a request of which nothing is said.
func empty() []byte { return make([]byte, messageBytes) }

// basic is a message with credentials: a header with one line.
func basic(value string) []byte {
	const header = 11 + 2 + 3 + 1
	m := append(make([]byte, header), 1)
	m = append(append(append(m, text("Authorization")...), 1), text(value)...)
	return append(m, make([]byte, messageBytes-header-1)...)
}

// logon asks whether somebody may come in.
func logon(id, question uint64, name, word string) []byte {
	p := append(binary.AppendUvarint(nil, question), 7)
	return framed(call, 0, id, append(append(append(p, text(name)...), text(word)...), empty()...)...)
}

// nobody and user are who is said to ask.
var nobody = []byte{0}

func user(name, word string) []byte {
	p := append(append([]byte{1}, text(name)...), 0) // the name the client gave
	return append(append(p, text(word)...), text("Basic")...)
}

// answerOf asks for the answer of a request with other paths, each a number and a text, for a user who is not denied.
func answerOf(id, parent uint64, paths [][]byte, who []byte) []byte {
	p := append(binary.AppendUvarint([]byte{3, 0}, parent), 0, 0, 0, 0, 0, 0, 0)
	p = append(append(p, make([]byte, targetBytes)...), byte(len(paths)))
	for _, path := range paths {
		p = append(p, path...)
	}
	p = append(append(p, who...), 0)
	return framed(request, 0, id, append(p, empty()...)...)
}

// filterCrimes are done with a request that goes through filters.
var filterCrimes = map[string]func(v *villain, id uint64, payload []byte){
	// These break a rule.
	"bad-route":    func(v *villain, id uint64, _ []byte) { v.send(framed(call, 0, id, 1, 6, 0xff)) },
	"bad-logon":    func(v *villain, id uint64, _ []byte) { v.send(framed(call, 0, id, 1, 7, 0xff)) },
	"more-topics":  func(v *villain, id uint64, _ []byte) { v.send(framed(call, 0, id, 1, 8)) },
	"ended":        func(v *villain, _ uint64, _ []byte) { v.send(framed(note, 0, 0, append(text("ended"), 1)...)) },
	"map-too-high": func(v *villain, id uint64, _ []byte) { v.send(answerOf(2, id, [][]byte{{64, 1, '/'}}, nobody)) },
	"bad-log": func(v *villain, id uint64, _ []byte) {
		v.send(framed(finish, 0, id, 200, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff))
	},
	"through-filters": func(v *villain, id uint64, payload []byte) { v.send(framed(request, 0, 2, payload...)) },

	// These do not, but ask for what a worker must not have.
	"guess": func(v *villain, id uint64, _ []byte) {
		for n := range uint64(100) {
			v.send(logon(id, n+1, "alice", "guess"))
		}
		v.send(page(id, "fine")...)
	},
	"guess-by-header": func(v *villain, id uint64, _ []byte) {
		for n := range uint64(100) {
			p := append(binary.AppendUvarint(nil, n+1), 6)
			v.send(framed(call, 0, id, append(p, basic("Basic YWxpY2U6Z3Vlc3M=")...)...))
		}
		v.send(page(id, "fine")...)
	},
	"path": func(v *villain, id uint64, _ []byte) {
		v.answered(id, [][]byte{append([]byte{0}, text(os.Getenv("SECRET"))...)}, nobody)
	},
	"other-map": func(v *villain, id uint64, _ []byte) {
		v.answered(id, [][]byte{append([]byte{9}, text("/")...)}, nobody)
	},
	"unknown-user": func(v *villain, id uint64, _ []byte) { v.answered(id, nil, user("alice", "wonderland")) },
	"known-user": func(v *villain, id uint64, _ []byte) {
		v.send(logon(id, 1, "alice", "wonderland"))
		<-v.replied
		v.answered(id, nil, user("alice", "wonderland"))
	},
	"his-password": func(v *villain, id uint64, _ []byte) {
		v.send(logon(id, 1, "alice", "wonderland"))
		<-v.replied
		v.answered(id, nil, user("alice", "other"))
	},
}

// answered asks for an answer in place of its own, and gives none.
func (v *villain) answered(id uint64, paths [][]byte, who []byte) {
	v.send(answerOf(2, id, paths, who))
	<-v.ended
	v.send(page(id, "fine")...)
}

// TestFilterVillains: what breaks a rule of filters costs the worker its life.
func TestFilterVillains(t *testing.T) {
	for _, part := range []string{"bad-route", "bad-logon", "more-topics", "ended", "map-too-high", "bad-log", "through-filters"} {
		t.Run(part, func(t *testing.T) {
			s := newScene(t)
			s.place = newPlace(t)
			w, i := s.villain(part, 1, 0)
			s.ask(w, i, false)
			if obit := s.dead(w); !strings.HasPrefix(obit.Reason, "protocol error: ") {
				t.Errorf("the obituary says %q: %v", obit.Reason, obit)
			}
		})
	}
}

// TestFilterGreed: what a worker may not have it does not get, though it may ask.
func TestFilterGreed(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("a secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SECRET", secret)
	box := &wire.Sandbox{Files: true}
	for _, c := range []struct {
		part    string
		sandbox *wire.Sandbox
		logons  int    // of which the URL space is asked
		answer  string // that it gives, for whom
	}{
		{"guess", nil, 16, ""},
		{"guess-by-header", nil, 0, ""},
		{"path", nil, 0, "answer at secret for - denied false"},
		{"path", box, 0, ""},
		{"other-map", nil, 0, ""},
		{"unknown-user", nil, 0, "answer at - for alice denied true"},
		{"known-user", nil, 1, "answer at - for alice denied false"},
		{"his-password", nil, 1, "answer at - for alice denied true"},
	} {
		t.Run(c.part, func(t *testing.T) {
			s := newScene(t)
			s.place, s.sandbox = newPlace(t), c.sandbox
			s.place.tell = true
			w, i := s.villain(c.part, 1, 0)
			o := s.ask(w, i, false)
			if o.err != nil || o.rec.Body.String() != "fine" {
				t.Errorf("%+v", o)
			}
			asked := s.place.taken()
			if n := strings.Count(asked, "logon "); n != c.logons {
				t.Errorf("%d logons, want %d: %s", n, c.logons, asked)
			}
			if n := strings.Count(asked, "route "); c.part == "guess-by-header" && n != 16 {
				t.Errorf("%d routes, want 16: %s", n, asked)
			}
			answer := ""
			if at := strings.Index(asked, "answer "); at >= 0 {
				answer = asked[at:]
			}
			if answer != c.answer {
				t.Errorf("%q, want %q", answer, c.answer)
			}
			w.Kill("the test is over")
			s.dead(w)
		})
	}
}

var _ executor.FilterHost = (*place)(nil)
