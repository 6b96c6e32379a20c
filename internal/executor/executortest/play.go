package executortest

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
)

// player is a server of the fixture "play", which does what the query says. One request at a time.
type player struct {
	*server
	n int // finished requests that had a result
}

// played is what came back of one play.
type played struct {
	line   string // status line
	header http.Header
	body   string
	notes  string // what each call returned: 0, or its last error
	result executor.Result
}

func (s *suite) player(t *testing.T) *player {
	t.Helper()
	return &player{server: s.serve(t, "play", executor.Options{})}
}

// play sends a GET on a connection of its own.
func (p *player) play(steps string) played {
	p.t.Helper()
	return p.request("GET", steps, "1.1")
}

func (p *player) request(method, steps, version string) played {
	p.t.Helper()
	got := split(p.t, p.raw(method+" /app.dll?"+script(steps)+" HTTP/"+version+"\r\nHost: h\r\nConnection: close\r\n\r\n"), method)
	p.finished(&got)
	return got
}

// finished waits for the result of the request and adds it.
func (p *player) finished(got *played) {
	p.t.Helper()
	got.result = p.server.result(p.n)
	got.notes = strings.TrimSpace(got.result.LogData)
	p.n++
}

// script is the query of a play: "name=value | name=value", in Go's escapes, played in that order.
func script(steps string) string {
	var all []string
	for s := range strings.SplitSeq(steps, " | ") {
		name, value, _ := strings.Cut(s, "=")
		all = append(all, name+"="+url.QueryEscape(value))
	}
	return strings.Join(all, "&")
}

// split takes one response apart, and fails if it is none or is broken.
func split(t *testing.T, answer, method string) played {
	t.Helper()
	got, err := parse(answer, method)
	if err != nil {
		t.Fatalf("broken response: %v\n%.2000q", err, answer)
	}
	return got
}

func parse(answer, method string) (played, error) {
	res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), &http.Request{Method: method})
	if err != nil {
		return played{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	line, _, _ := strings.Cut(answer, "\r\n")
	return played{line: line, header: res.Header, body: string(b)}, err
}
