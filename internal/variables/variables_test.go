package variables_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/variables"
)

// request is one of which nothing is known but what the client sent and where it came in.
func request() *variables.Request {
	local := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8080}
	r := httptest.NewRequestWithContext(context.WithValue(context.Background(), http.LocalAddrContextKey, local), http.MethodPost, "/a?b=c", nil)
	r.Host = "www.example:8080"
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Add("X-Two", "1")
	r.Header.Add("X-Two", "2")
	return &variables.Request{R: r, T: &executor.Target{}, Client: (*conn.Conn)(nil), Length: -1}
}

// Before it is known where a request leads a filter can ask for what the connection and the head say; all else is empty.
func TestBeforeRouting(t *testing.T) {
	q := request()
	for name, want := range map[string]string{
		"SERVER_NAME": "www.example", "SERVER_PORT": "8080", "INSTANCE_ID": "1", "REMOTE_HOST": "192.0.2.1", "REMOTE_ADDR": "192.0.2.1",
		"LOCAL_ADDR": "192.0.2.1", "SERVER_PORT_SECURE": "0", "HTTPS": "off", "REQUEST_METHOD": "POST", "CONTENT_TYPE": "text/plain",
		"ALL_HTTP": "HTTP_HOST:www.example:8080\nHTTP_CONTENT_TYPE:text/plain\nHTTP_X_TWO:1\nHTTP_X_TWO:2\n", "HTTP_X_TWO": "1,2", "http_x_two": "1,2",
		"HEADER_X-Two": "1,2", "HTTP_URL": "/a?b=c", "QUERY_STRING": "b=c", "CONTENT_LENGTH": "",
		"SCRIPT_NAME": "", "PATH_INFO": "", "PATH_TRANSLATED": "", "APPL_PHYSICAL_PATH": "", "APP_POOL_ID": "", "AUTH_USER": "", "AUTH_TYPE": "",
	} {
		if got, err := q.Lookup(name); got != want || err != isapi.OK {
			t.Errorf("%s is %q, error %d; want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"HTTP_ABSENT", "NO_SUCH_NAME", ""} {
		if got, err := q.Lookup(name); err != isapi.InvalidIndex {
			t.Errorf("%s is %q, error %d; want ERROR_INVALID_INDEX", name, got, err)
		}
	}
}

// TestTraced: with a trace context there are two variables more.
func TestTraced(t *testing.T) {
	q := request()
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, trail := range []*executor.Trail{nil, {}} {
		q.T.Trail = trail
		if got, err := q.Lookup("ISAPID_TRACEPARENT"); err != isapi.InvalidIndex {
			t.Errorf("without a trace there is %q, error %d", got, err)
		}
	}
	q.T.Trail.Trace, _ = executor.ParseTraceparent(parent)
	for name, want := range map[string]string{"ISAPID_TRACEPARENT": parent, "isapid_trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"} {
		if got, err := q.Lookup(name); got != want || err != isapi.OK {
			t.Errorf("%s is %q, error %d; want %q", name, got, err, want)
		}
	}
}

func TestUser(t *testing.T) {
	for _, c := range []struct {
		user *executor.User
		want map[string]string
	}{
		{nil, map[string]string{}},
		{&executor.User{Name: "ann", Password: "secret", Type: "Basic"}, map[string]string{
			"AUTH_USER": "ann", "LOGON_USER": "ann", "REMOTE_USER": "ann", "UNMAPPED_REMOTE_USER": "ann", "AUTH_PASSWORD": "secret", "AUTH_TYPE": "Basic",
		}},
		{&executor.User{Name: "guest", Unmapped: "ann"}, map[string]string{
			"AUTH_USER": "guest", "LOGON_USER": "guest", "REMOTE_USER": "guest", "UNMAPPED_REMOTE_USER": "ann",
		}},
	} {
		q := request()
		q.T.User = c.user
		for _, name := range []string{"AUTH_USER", "LOGON_USER", "REMOTE_USER", "UNMAPPED_REMOTE_USER", "AUTH_PASSWORD", "AUTH_TYPE"} {
			if got, err := q.Lookup(name); got != c.want[name] || err != isapi.OK {
				t.Errorf("%+v: %s is %q, error %d; want %q", c.user, name, got, err, c.want[name])
			}
		}
	}
}

// What a filter changes in the request is seen by whoever asks after it.
func TestChangedRequest(t *testing.T) {
	q := request()
	q.R.Header.Set("X-Two", "3")
	q.R.Header["remote-user"] = []string{"ann"}
	q.R.TLS = &tls.ConnectionState{}
	q.Length = 7
	for name, want := range map[string]string{"HTTP_X_TWO": "3", "HTTP_REMOTE_USER": "ann", "HTTPS": "on", "SERVER_PORT_SECURE": "1", "CONTENT_LENGTH": "7"} {
		if got, err := q.Lookup(name); got != want || err != isapi.OK {
			t.Errorf("%s is %q, error %d; want %q", name, got, err, want)
		}
	}
}
