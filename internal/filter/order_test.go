//go:build unix && cgo

package filter_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/filter"
)

// TestOrder is the order of events, and what is answered, for one filter that writes down all of them.
func TestOrder(t *testing.T) {
	for _, c := range []struct {
		name    string
		request string // method, target, head; separated by " | "
		host    func(*host)
		answer  string
		events  string
	}{
		{"static file", "GET | /file/page.txt", nil, "200 a page\n", `
			PREPROC_HEADERS GET /file/page.txt
			URL_MAP /file/page.txt to /file/page.txt
			AUTHENTICATION "" ""
			AUTH_COMPLETE ""
			SEND_RESPONSE HTTP/1.1 200 OK
			END_OF_REQUEST
			LOG GET /file/page.txt? "-" 200`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t)
			if c.host != nil {
				c.host(s.host)
			}
			s.chain = []filter.Member{{Filter: s.load(traceFilter(t), nil)}}
			parts := strings.Split(c.request, " | ")
			a := s.do(parts[0], parts[1], parts[2:]...)
			s.result(1)
			if a.String() != c.answer {
				t.Errorf("answer is %q %v, want %q", a, a.err, c.answer)
			}
			got := s.events()
			var want []string
			for line := range strings.Lines(strings.TrimSpace(c.events)) {
				want = append(want, "a#1 "+strings.TrimSpace(line))
			}
			if !slices.Equal(got, want) {
				t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}
