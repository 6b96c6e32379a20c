package executortest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/testwait"
	"github.com/isapid/isapid/internal/underwine"
)

func appendLog(t *testing.T, s *suite) {
	srv := s.serve(t, "support", executor.Options{})
	long := strings.Repeat("x", 1000)
	tests := []struct{ calls, want string }{
		{"1003/sone", "one"},
		{"1003/sone/g/g&1003/n&1003/s,two/d1/d1", "one,two"},
		{"1003/" + arg("s", "a\r\n#b\tc"), "a  #b c"},
		{"1003/s" + long + "&1003/s" + long + "&1003/s" + long + "&1003/s" + long + "&1003/s" + long, strings.Repeat("x", 4096)},
	}
	for i, test := range tests {
		if res := srv.get(test.calls); strings.Trim(res.Body, "0 axone,tw#bc\r\n\t1") != "" {
			t.Errorf("%.60s: got %.60q, want every call TRUE", test.calls, res.Body)
		}
		if got := srv.result(i).LogQuery; got != test.want {
			t.Errorf("%.60s: log has %.80q, want %.80q", test.calls, got, test.want)
		}
	}
}

func customError(t *testing.T, s *suite) {
	srv := s.serve(t, "support", executor.Options{})
	e := func(info string) string { return "1028/" + arg("e", info) + "/g/g" }
	tests := []struct{ calls, log, status, body string }{
		{e("404 Not Found"), "0", "404 Not Found", "error page 404.0"},
		{e("403 Go away,14"), "0", "403 Go away", "error page 403.14"},
		{e("500,100"), "0", "500 Internal Server Error", "error page 500.100"},
		{e("404") + "&" + e("500"), "0 87", "404 Not Found", "error page 404.0"},
		{"3/n&" + e("404"), "0 87", "200 OK", ""},
		{e("200 OK"), "87", "200 OK", "87\n"},
		{e("word"), "87", "200 OK", "87\n"},
		{e("404,0,1"), "87", "200 OK", "87\n"}, // asynchronous, without a callback
	}
	for i, test := range tests {
		res := srv.get(test.calls)
		if got := strings.TrimSpace(srv.result(i).LogData); got != test.log {
			t.Errorf("%s: got %q, want %q", test.calls, got, test.log)
		}
		if res.Status != test.status || test.body != "" && res.Body != test.body {
			t.Errorf("%s: got %s %q, want %s %q", test.calls, res.Status, res.Body, test.status, test.body)
		}
	}
	if sub := srv.result(1).Substatus; sub != 14 {
		t.Errorf("substatus of the result: got %d, want 14", sub)
	}
}

func keepConnection(t *testing.T, srv *server) {
	last := "GET /?1008/o4/g/g HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	tests := []struct{ head, want string }{
		{"HTTP/1.1\r\nHost: x\r\n\r\n", "0 01000000"},
		{"HTTP/1.1\r\nHost: x\r\nConnection: TE, Close\r\n\r\n", "0 00000000"},
		{"HTTP/1.0\r\n\r\n", "0 00000000"},
		{"HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "0 01000000"},
	}
	for _, test := range tests {
		got := srv.raw("GET /?1008/o4/g/g " + test.head + last)
		if !strings.Contains(got, "\r\n\r\n"+test.want+"\n") {
			t.Errorf("%q: got %q, want %q in it", test.head, got, test.want)
		}
		if want := 1 + int(test.want[3]-'0'); strings.Count(got, "HTTP/1.") != want {
			t.Errorf("%q: %d responses on the connection, want %d", test.head, strings.Count(got, "HTTP/1."), want)
		}
	}
}

// traceInfo: no trace is on, and the id is the request's own.
func traceInfo(t *testing.T, srv *server) {
	seen := map[string]bool{}
	for range 2 {
		lines := strings.Split(srv.get("1042/o28/g/g&1042/o28").Body, "\n")
		if len(lines) < 2 || lines[0] != lines[1] || len(lines[0]) != 2+56 {
			t.Fatalf("got %q, want twice the same 28 bytes", lines)
		}
		id := lines[0][10:42]
		if lines[0] != "0 00000000"+id+"0000000000000000" || strings.Trim(id, "0") == "" {
			t.Errorf("got %q, want flag 0, an id, reserved 0", lines[0])
		}
		seen[id] = true
	}
	if len(seen) != 2 {
		t.Error("two requests have one id")
	}
}

func unhealthy(t *testing.T, s *suite) {
	srv := s.serve(t, "support", executor.Options{})
	if res := srv.get("1032/" + arg("s", "out of\nhandles") + "/g/g&1032/n"); res.Body != "0 out of\nhandles\n0\n" {
		t.Errorf("got %q, want TRUE", res.Body)
	}
	testwait.Until(t, "the reason in the log, as one line", func() bool { return srv.log.Has(`reason="out of handles"`) })
}

// abortiveClose: the client sees a reset where it would see the end of the connection.
func abortiveClose(t *testing.T, s *suite, srv *server) {
	secure := s.serveTLS(t, "support", executor.Options{})
	if res := secure.over("HTTP/2.0", "GET", "/?1014/n", ""); res.Body != "87\n" {
		t.Errorf("HTTP/2: got %q, want 87: other requests are on the connection", res.Body)
	}
	if underwine.Version() != "" {
		t.Skip("Wine may tell a client of a reset as of an end; clients outside of it see the reset")
	}
	for _, version := range []string{"1.0", "1.1"} {
		c := srv.dial()
		defer c.Close()
		sendAll(t, c, "GET /?1014/g/g/g HTTP/"+version+"\r\nHost: x\r\n\r\n")
		if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.Errno(isapi.WSAEConnReset)) {
			t.Errorf("HTTP/%s: the connection ends with %v, want a reset", version, err)
		}
	}
}

// clientCertificate: GET_CERT_INFO_EX gives it in DER; a buffer too small fails with 122 and the size.
func clientCertificate(t *testing.T, s *suite) {
	srv := s.serveTLS(t, "support", executor.Options{})
	der := srv.client.Certificate[0]
	n := len(der)
	tests := []struct{ call, want string }{
		{"k2048/v2048/n", fmt.Sprintf("0 %d 1 1 %s", n, hex.EncodeToString(der))},
		{fmt.Sprintf("k%d/g/g", n), fmt.Sprintf("0 %d 1 1 %s", n, hex.EncodeToString(der))},
		{fmt.Sprintf("k%d/n/n", n-1), fmt.Sprintf("122 %d 1 1", n)},
		{"k0/n/n", fmt.Sprintf("122 %d 1 1", n)},
	}
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for _, test := range tests {
			if got := strings.TrimSpace(srv.over(proto, "GET", "/?1015/"+test.call, "", srv.client).Body); got != test.want {
				t.Errorf("%s %s: got %.60q, want %.60q", proto, test.call, got, test.want)
			}
		}
		if got := srv.over(proto, "GET", "/?1015/k2048/v2048/n", "").Body; got != "0 0 0 0 \n" {
			t.Errorf("%s without a certificate: got %q, want TRUE and size 0", proto, got)
		}
	}
}

// inProcess tells whether the extension runs in the process of the server: then it may have the socket.
func inProcess(t *testing.T, srv *server) bool {
	switch got := srv.get("1030/o4/g/g").Body; got {
	case "0 00000000\n":
		return true
	case "0 01000000\n", "0 02000000\n":
	default:
		t.Errorf("IS_IN_PROCESS: got %q, want an HSE_APP_FLAG", got)
	}
	return false
}

// descriptor: the socket is the one the client is connected to; over TLS, in HTTP/2 and in a worker there is none.
func descriptor(t *testing.T, s *suite) {
	if s.windows() || s.Plain {
		t.Skip("the socket cannot be handed to an image here")
	}
	srv := s.serve(t, "descriptor", executor.Options{})
	c := srv.dial()
	defer c.Close()
	sendAll(t, c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	want := "87"
	if inProcess(t, s.serve(t, "support", executor.Options{})) {
		want = fmt.Sprintf("0 %d", c.LocalAddr().(*net.TCPAddr).Port)
	}
	if got := rest(c); !strings.HasSuffix(got, "\r\n\r\n"+want) {
		t.Errorf("got %q, want the port of the client, %q", got, want)
	}
	secure := s.serveTLS(t, "descriptor", executor.Options{})
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		if res := secure.over(proto, "GET", "/", ""); res.Body != "87" {
			t.Errorf("%s over TLS: got %q, want 87", proto, res.Body)
		}
	}
}
