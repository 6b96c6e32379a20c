package filter_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/native/filtertest"
)

// TestFilter loads the probe once: each copy is one more Go runtime, and stays until the process ends.
func TestFilter(t *testing.T) {
	f := filtertest.Open(t, probe(t))
	t.Run("registers", func(t *testing.T) { testRegisters(t, f) })
	t.Run("headers", func(t *testing.T) { testHeaders(t, f) })
	t.Run("structures", func(t *testing.T) { testStructures(t, f) })
	t.Run("values", func(t *testing.T) { testValues(t, f) })
	t.Run("at once", func(t *testing.T) { testAtOnce(t, f) })
}

func probe(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("cc"); err != nil && os.Getenv("CI") == "" {
		t.Skip("no C compiler")
	}
	lib := filepath.Join(t.TempDir(), "probe.so")
	if said, err := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-o", lib, "./testdata/probe").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, said)
	}
	return lib
}

func testRegisters(t *testing.T, f *filtertest.Filter) {
	const want = isapi.NotifyOrderHigh | isapi.NotifySecurePort | isapi.NotifyNonsecurePort | isapi.NotifyEvents&^isapi.NotifyReadRawData
	if f.Version.Flags != want || f.Description() != "probe in Go" || f.Version.FilterVersion != isapi.FilterRevision {
		t.Errorf("registered as %q with %v, want %v", f.Description(), isapi.Notification(f.Version.Flags), isapi.Notification(want))
	}
}

func testHeaders(t *testing.T, f *filtertest.Filter) {
	long := strings.Repeat("v", 3000) // longer than the first buffer
	const next, failed = isapi.FilterNextNotification, isapi.FilterError
	for _, c := range []struct {
		url    string
		status uint32
		errno  isapi.Error
		took   string
	}{
		{"/headers", next, 0, "SetHeader url /new?" + long + "\nAddHeader X-Found: true false\nSetHeader X-Gone: "},
		{"/answer", isapi.FilterFinishedKeepConn, 0, `SF_REQ_SEND_RESPONSE_HEADER 200 OK "X-Secure: true\r\nContent-Length: 8\r\n\r\n"` + "\nWriteClient heretrue"},
		{"/add", next, 0, `AddResponseHeaders "X-Count: 1\r\n"` + "\n" + `SF_REQ_ADD_HEADERS_ON_DENIAL "X-Denied: yes\r\n"` +
			"\nSF_REQ_DISABLE_NOTIFICATIONS SF_NOTIFY_LOG|SF_NOTIFY_URL_MAP"},
		{"/denied", failed, isapi.AccessDenied, ""},
		{"/error", failed, 31, ""},
		{"/panic", failed, 31, ""},
		{"/other", next, 0, ""},
	} {
		conn := f.Connect(true)
		conn.Variables["SERVER_NAME"] = "here"
		conn.Headers = map[string]string{"url": c.url, "x-long:": long}
		status, errno := conn.HeaderEvent(isapi.NotifyPreprocHeaders)
		if took := conn.Took(); status != c.status || status == failed && errno != c.errno || took != c.took {
			t.Errorf("%s: %v with %v, took\n%s\nwant %v with %v,\n%s", c.url, isapi.FilterStatus(status), errno, took, isapi.FilterStatus(c.status), c.errno, c.took)
		}
		conn.End()
	}
	conn := f.Connect(false)
	defer conn.End()
	conn.Headers["url"] = "/headers"
	conn.Errors["SetHeader"] = isapi.NotSupported
	if status, errno := conn.HeaderEvent(isapi.NotifyPreprocHeaders); status != failed || errno != isapi.NotSupported {
		t.Errorf("the error of a callback came as %v with %v", isapi.FilterStatus(status), errno)
	}
}

func testStructures(t *testing.T, f *filtertest.Filter) {
	c := f.Connect(false)
	defer c.End()
	path := c.Buffer("/srv", 16)
	urlMap := filtertest.Put(c, isapi.FilterURLMapEx{URL: c.Buffer("/a", 3), Path: path, PathSize: 16})
	if status, _ := c.Notify(isapi.NotifyURLMap, urlMap); status != isapi.FilterHandledNotification || native.String(path, 100) != "/srv/a" {
		t.Errorf("URL_MAP: %v, %q", isapi.FilterStatus(status), native.String(path, 100))
	}
	native.Write(urlMap, isapi.FilterURLMapEx{URL: c.Buffer("/much too long", 20), Path: path, PathSize: 16})
	if status, errno := c.Notify(isapi.NotifyURLMap, urlMap); status != isapi.FilterError || errno != isapi.InsufficientBuffer || native.String(path, 100) != "/srv/a" {
		t.Errorf("URL_MAP without room: %v with %v, %q", isapi.FilterStatus(status), errno, native.String(path, 100))
	}

	user, password := c.Buffer("me", isapi.MaxUserName), c.Buffer("pw", isapi.MaxPassword)
	c.Notify(isapi.NotifyAuthentication, filtertest.Put(c, isapi.FilterAuthent{
		User: user, UserSize: isapi.MaxUserName, Password: password, PasswordSize: isapi.MaxPassword,
	}))
	if u, p := native.String(user, 300), native.String(password, 300); u != "mapped pw" || p != "other" {
		t.Errorf("AUTHENTICATION: %q, %q", u, p)
	}

	if info, status := c.AuthComplete(); info.ResetAuth != 1 || status != isapi.FilterNextNotification || c.Took() != "SetHeader url /complete" {
		t.Errorf("AUTH_COMPLETE: %v, %+v", isapi.FilterStatus(status), info)
	}
	status, _ := c.Notify(isapi.NotifyAccessDenied, filtertest.Put(c, isapi.FilterAccessDenied{URL: c.Buffer("/u", 3), Path: c.Buffer("/p", 3), Reason: 8}))
	if took := c.Took(); status != isapi.FilterFinishedKeepConn ||
		took != `SF_REQ_SEND_RESPONSE_HEADER 302 Found "Location: /login\r\nContent-Length: 5\r\n\r\n"`+"\nWriteClient /u/p8" {
		t.Errorf("ACCESS_DENIED: %v, took\n%s", isapi.FilterStatus(status), took)
	}
	if c.HeaderEvent(isapi.NotifySendResponse); c.Took() != "SetHeader status 204 Nothing" {
		t.Error("SEND_RESPONSE: the status was not set")
	}
	if status, _ := c.Notify(isapi.NotifyEndOfRequest, 0); status != isapi.FilterNextNotification {
		t.Error("END_OF_REQUEST: a context of another notification could be used")
	}

	for text, want := range map[string]string{"short": "SHORT", "a long one": "A " + strings.Repeat("x", 100) + " ONE", "": ""} {
		place := c.Buffer(text, len(text)+3)
		raw := filtertest.Put(c, isapi.FilterRawData{Data: place, Length: uint32(len(text)), Capacity: uint32(len(text) + 3)})
		c.Notify(isapi.NotifySendRawData, raw)
		after := native.Read[isapi.FilterRawData](raw)
		if got := string(native.Bytes(after.Data, int(after.Length))); got != want || after.Length > after.Capacity {
			t.Errorf("SEND_RAW_DATA of %q: %q, %+v", text, got, after)
		}
	}

	record := filtertest.Put(c, isapi.FilterLog{Target: c.Buffer("/t", 3), Operation: c.Buffer("GET", 4), HTTPStatus: 200})
	c.Notify(isapi.NotifyLog, record)
	after := native.Read[isapi.FilterLog](record)
	if got := native.String(after.Target, 100); got != "/t logged" || after.HTTPStatus != 299 || native.String(after.Operation, 10) != "GET" || after.Parameters != 0 {
		t.Errorf("LOG: target %q, %+v", got, after)
	}
}

// testValues: what is stored for a connection is there in its next request, and gone with it.
func testValues(t *testing.T, f *filtertest.Filter) {
	one, two := f.Connect(false), f.Connect(false)
	for range 3 {
		one.HeaderEvent(isapi.NotifyPreprocHeaders)
	}
	two.HeaderEvent(isapi.NotifyPreprocHeaders)
	for c, want := range map[*filtertest.Connection]string{one: "bye after 3", two: "bye after 1", f.Connect(false): "bye after <nil>"} {
		c.End()
		if took := c.Took(); took != "WriteClient "+want {
			t.Errorf("took %q, want %q", took, want)
		}
	}
}

func testAtOnce(t *testing.T, f *filtertest.Filter) {
	done := make(chan struct{})
	for range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 50 {
				c := f.Connect(false)
				c.Headers["url"] = "/add"
				c.HeaderEvent(isapi.NotifyPreprocHeaders)
				if took := c.Took(); !strings.HasPrefix(took, `AddResponseHeaders "X-Count: 1\r\n"`) {
					t.Errorf("took %q", took)
				}
				c.End()
			}
		}()
	}
	for range 8 {
		<-done
	}
}
