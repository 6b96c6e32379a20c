package server

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Requests that are meant to be read differently by two servers, or by none. One connection each; what must never happen is that a
// second, hidden request runs.
func TestHygiene(t *testing.T) {
	const hidden = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"
	s := start(t, Limits{}, site("s", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprintf(w, "[%s %s %s %q]", r.Method, r.URL.Path, r.Host, body)
	}))
	tests := []struct {
		name, request, want string // want: all statuses and bodies; "" is an end without an answer
	}{
		{"plain", get("/a", "h"), `200 [GET /a h ""]`},
		{"lower-case method is another method", "get /a HTTP/1.1\r\nHost: h\r\n\r\n", `200 [get /a h ""]`},
		{"absolute form", "GET http://other/a HTTP/1.1\r\nHost: h\r\n\r\n", `200 [GET /a other ""]`},
		{"length and chunked: chunked counts", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", `200 [POST /a h ""]`},
		{"two lengths", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd" + hidden, "400"},
		{"two equal lengths", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", `200 [POST /a h "abc"]`},
		{"length list", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc" + hidden, "400"},
		{"signed length", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc" + hidden, "400"},
		{"negative length", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n" + hidden, "400"},
		{"huge length", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n" + hidden, "400"},
		{"bad chunk size", "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + hidden, ""},
		{"chunk size too large", "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + hidden, ""},
		{"chunk without end", "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n" + hidden, ""},
		{"unknown coding", "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden, "501"},
		{"two codings", "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden, "501"},
		{"space before colon", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length : 3\r\n\r\nabc" + hidden, "400"},
		{"no host", "GET /a HTTP/1.1\r\n\r\n", "400"},
		{"two hosts", "GET /a HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", "400"},
		{"bad host", "GET /a HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
		{"1.0 without host", "GET /a HTTP/1.0\r\n\r\n", `200 [GET /a  ""]`},
		{"0.9", "GET /a\r\n", "400"},
		{"2.0 without TLS", "GET /a HTTP/2.0\r\nHost: h\r\n\r\n", "505"},
		{"garbage", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "400"},
		{"null in a value", "GET /a HTTP/1.1\r\nHost: h\r\nA: \x00\r\n\r\n" + hidden, "400"},
		{"lone CR in a value", "GET /a HTTP/1.1\r\nHost: h\r\nA: b\rC: d\r\n\r\n" + hidden, "400"},
		{"pipelined", get("/a", "h") + get("/b", "h"), `200 [GET /a h ""] 200 [GET /b h ""]`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := dial(t, s.Addrs()[0].String())
			send(t, c, test.request)
			_ = c.(interface{ CloseWrite() error }).CloseWrite()
			all, _ := io.ReadAll(c) // a reset is an end too
			if got := string(all); strings.Contains(got, "hidden") {
				t.Fatalf("the hidden request ran: %q", got)
			}
			var got []string
			for _, response := range strings.Split(string(all), "HTTP/1.")[1:] {
				head, body, _ := strings.Cut(response, "\r\n\r\n")
				status := strings.Fields(head)[1]
				if status == "200" {
					status += " " + body
				}
				got = append(got, status)
			}
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("%q: got %q, want %q", test.request, got, test.want)
			}
		})
	}
}
