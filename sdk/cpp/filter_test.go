package cpp_test

import (
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/native/filtertest"
	"github.com/isapid/isapid/internal/testext"
)

func TestFilterRegisters(t *testing.T) {
	f := filtertest.Open(t, testext.Compile(t, "testdata/filter.cpp"))
	const want = isapi.NotifyOrderHigh | isapi.NotifyPreprocHeaders | isapi.NotifyURLMap | isapi.NotifyAuthentication | isapi.NotifyAuthComplete |
		isapi.NotifySendResponse | isapi.NotifyLog | isapi.NotifyEndOfRequest | isapi.NotifyEndOfNetSession
	if f.Version.Flags != want || f.Description() != "probe" || f.Version.FilterVersion != isapi.FilterRevision {
		t.Errorf("registered as %q with %v, want %v", f.Description(), isapi.Notification(f.Version.Flags), isapi.Notification(want))
	}
}

func TestFilterHeaders(t *testing.T) {
	f := filtertest.Open(t, testext.Compile(t, "testdata/filter.cpp"))
	long := strings.Repeat("v", 3000) // longer than the first buffer
	const next, failed = isapi.FilterNextNotification, isapi.FilterError
	for _, c := range []struct {
		url    string
		status uint32
		errno  isapi.Error
		took   string
	}{
		{"/headers", next, 0, "SetHeader url /new?agent\nSetHeader X-Long: " + long + "\nSetHeader X-Gone: \nAddHeader X-Found: no untouched"},
		{"/answer", isapi.FilterFinishedKeepConn, 0, `SF_REQ_SEND_RESPONSE_HEADER 200 OK "X-Secure: yes\r\nContent-Length: 12\r\n\r\n"` + "\nWriteClient here without"},
		{"/add", next, 0, `AddResponseHeaders "X-Count: 1\r\n"` + "\n" + `SF_REQ_ADD_HEADERS_ON_DENIAL "X-Denied: yes\r\n"` +
			"\nSF_REQ_DISABLE_NOTIFICATIONS SF_NOTIFY_LOG|SF_NOTIFY_URL_MAP"},
		{"/code", failed, isapi.AccessDenied, ""},
		{"/throw", failed, 31, ""},
		{"/memory", failed, isapi.NotEnoughMemory, ""},
		{"/other", next, 0, ""},
	} {
		t.Run(c.url, func(t *testing.T) {
			conn := f.Connect(true)
			defer conn.End()
			conn.Variables["SERVER_NAME"] = "here"
			conn.Headers = map[string]string{"url": c.url, "user-agent:": "agent", "x-long:": long}
			conn.Errors["AllocMem"] = isapi.NotEnoughMemory
			status, errno := conn.HeaderEvent(isapi.NotifyPreprocHeaders)
			if took := conn.Took(); status != c.status || status == failed && errno != c.errno || took != c.took {
				t.Errorf("%v with %v, took\n%s\nwant %v with %v,\n%s", isapi.FilterStatus(status), errno, took, isapi.FilterStatus(c.status), c.errno, c.took)
			}
		})
	}
}

// TestFilterSession: it counts the requests of its connection.
func TestFilterSession(t *testing.T) {
	f := filtertest.Open(t, testext.Compile(t, "testdata/filter.cpp"))
	one, two := f.Connect(false), f.Connect(false)
	for range 3 {
		one.HeaderEvent(isapi.NotifyPreprocHeaders)
	}
	two.Headers["url"], one.Headers["url"] = "/add", "/add"
	one.HeaderEvent(isapi.NotifyPreprocHeaders)
	two.HeaderEvent(isapi.NotifyPreprocHeaders)
	if got := one.Took(); !strings.Contains(got, "X-Count: 4") {
		t.Errorf("the fourth request of one connection: %s", got)
	}
	if got := two.Took(); !strings.Contains(got, "X-Count: 1") {
		t.Errorf("the first of the other: %s", got)
	}
}

func TestFilterStructures(t *testing.T) {
	f := filtertest.Open(t, testext.Compile(t, "testdata/filter.cpp"))
	c := f.Connect(false)

	path := c.Buffer("/srv", 16)
	urlMap := filtertest.Put(c, isapi.FilterURLMapEx{URL: c.Buffer("/a", 3), Path: path, PathSize: 16})
	if status, _ := c.Notify(isapi.NotifyURLMap, urlMap); status != isapi.FilterHandledNotification || native.String(path, 100) != "/srv/a" {
		t.Errorf("URL_MAP: %v, %q", isapi.FilterStatus(status), native.String(path, 100))
	}
	native.Write(urlMap, isapi.FilterURLMapEx{URL: c.Buffer("/much too long", 20), Path: path, PathSize: 16})
	if status, errno := c.Notify(isapi.NotifyURLMap, urlMap); status != isapi.FilterError || errno != 31 || native.String(path, 100) != "/srv/a" {
		t.Errorf("URL_MAP without room: %v with %v, %q", isapi.FilterStatus(status), errno, native.String(path, 100))
	}

	user := c.Buffer("me", isapi.MaxUserName)
	c.Notify(isapi.NotifyAuthentication, filtertest.Put(c, isapi.FilterAuthent{User: user, UserSize: isapi.MaxUserName, Password: c.Buffer("pw", 257), PasswordSize: 257}))
	if got := native.String(user, 300); got != "mapped pw" {
		t.Errorf("AUTHENTICATION: user %q", got)
	}

	if info, status := c.AuthComplete(); info.ResetAuth != 1 || status != isapi.FilterNextNotification || c.Took() != "SetHeader url /complete" {
		t.Errorf("AUTH_COMPLETE: %v, %+v", isapi.FilterStatus(status), info)
	}
	if c.HeaderEvent(isapi.NotifySendResponse); c.Took() != "SetHeader status 204 Nothing" {
		t.Error("SEND_RESPONSE: the status was not set")
	}

	record := filtertest.Put(c, isapi.FilterLog{Target: c.Buffer("/t", 3)})
	c.Notify(isapi.NotifyLog, record)
	if got := native.String(native.Read[isapi.FilterLog](record).Target, 100); got != "/t logged" {
		t.Errorf("LOG: target %q", got)
	}
	if status, _ := c.Notify(isapi.NotifyEndOfRequest, 0); status != isapi.FilterNextNotification {
		t.Errorf("END_OF_REQUEST: %v", isapi.FilterStatus(status))
	}
}
