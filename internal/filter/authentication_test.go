//go:build windows || (unix && cgo)

package filter_test

import (
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/filter"
)

// TestAskedAlways: a filter that keeps people out is asked about all that the server may let in: what is no name and password, too.
func TestAskedAlways(t *testing.T) {
	for name, head := range map[string][]string{
		"nothing":      nil,
		"other scheme": {"Authorization: Bearer x"},
		"no base64":    {"Authorization: Basic !!"},
		"no colon":     {"Authorization: Basic YWI="},
		"two lines":    {"Authorization: Basic YWxpY2U6d29uZGVybGFuZA==", "Authorization: Basic YWxpY2U6d29uZGVybGFuZA=="},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.chain = []filter.Member{{Filter: s.load(named(t, "a", "SF_NOTIFY_AUTHENTICATION", ""), nil)}}
			head := append([]string{"X-Do: AUTHENTICATION=error:5"}, head...)
			if got := s.do("GET", "/file/page.txt", head...).String(); got != "401 page 401.4" {
				t.Error(got)
			}
			expect(t, s.events(), `AUTHENTICATION "" ""`)
		})
	}
}

// TestAskedAgain: what a filter said of a user on a connection holds for the application it was asked for, and for filters that were
// asked.
func TestAskedAgain(t *testing.T) {
	s := start(t)
	s.host.vouch, s.host.closed, s.host.apps = true, true, true
	s.chain = []filter.Member{{Filter: s.load(named(t, "a", "(SF_NOTIFY_PREPROC_HEADERS|SF_NOTIFY_AUTHENTICATION)", ""), nil)}}
	for _, step := range []struct{ target, do, want, event string }{
		{"/echo", "AUTHENTICATION=handled", "200 GET /echo user=web/ body= <nil>", "\nAUTHENTICATION \"web\" \"x\""},
		{"/echo", "AUTHENTICATION=error:5", "200 GET /echo user=web/ body= <nil>", ""},
		{"/file/page.txt", "AUTHENTICATION=next", "401 page 401.1", "\nAUTHENTICATION \"web\" \"x\""},
		{"/echo", "AUTHENTICATION=handled;PREPROC_HEADERS=disable:0x2000", "401 page 401.1", ""},
		{"/echo", "AUTHENTICATION=handled", "200 GET /echo user=web/ body= <nil>", "\nAUTHENTICATION \"web\" \"x\""},
	} {
		if got := s.do("GET", step.target, "User: web:x", "X-Do: "+step.do).String(); !strings.HasPrefix(got, step.want) {
			t.Errorf("%s after %s, want %s", got, step.do, step.want)
		}
		expect(t, s.events(), "PREPROC_HEADERS GET "+step.target+step.event)
	}
}
