package pascal_test

import (
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/native/filtertest"
	"github.com/isapid/isapid/internal/testext"
)

func TestFilter(t *testing.T) {
	f := filtertest.Open(t, testext.Compile(t, "testdata/filter.pas"))
	const flags = isapi.NotifyPreprocHeaders | isapi.NotifyURLMap | isapi.NotifyLog | isapi.NotifyOrderMedium
	if f.Version.Flags != flags || f.Description() != "probe in Pascal" || f.Version.FilterVersion != isapi.FilterRevision {
		t.Errorf("registered as %q with %v", f.Description(), isapi.Notification(f.Version.Flags))
	}
	c := f.Connect(false)
	long := strings.Repeat("v", 3000) // longer than the first buffer
	c.Variables["SERVER_NAME"] = "here"
	for _, w := range []struct {
		url    string
		status uint32
		errno  isapi.Error
		took   string
	}{
		{"/headers", isapi.FilterNextNotification, 0, "SetHeader url /new?" + long + "\nAddHeader X-None: ()"},
		{"/answer", isapi.FilterFinishedKeepConn, 0, `SF_REQ_SEND_RESPONSE_HEADER 200 OK "X: y\r\nContent-Length: 4\r\n\r\n"` + "\nWriteClient here"},
		{"/denied", isapi.FilterError, isapi.AccessDenied, ""},
		{"/other", isapi.FilterNextNotification, 0, ""},
	} {
		c.Headers = map[string]string{"url": w.url, "x-long:": long}
		status, errno := c.HeaderEvent(isapi.NotifyPreprocHeaders)
		if took := c.Took(); status != w.status || status == isapi.FilterError && errno != w.errno || took != w.took {
			t.Errorf("%s: %v with %v, took\n%s\nwant %v with %v,\n%s", w.url, isapi.FilterStatus(status), errno, took, isapi.FilterStatus(w.status), w.errno, w.took)
		}
	}

	path := c.Buffer("/srv", 16)
	c.Notify(isapi.NotifyURLMap, filtertest.Put(c, isapi.FilterURLMapEx{URL: c.Buffer("/a", 3), Path: path, PathSize: 16}))
	if got := native.String(path, 100); got != "/srv/a" {
		t.Errorf("URL_MAP: path %q", got)
	}
	record := filtertest.Put(c, isapi.FilterLog{Target: c.Buffer("/t", 3)})
	c.Notify(isapi.NotifyLog, record)
	if got := native.String(native.Read[isapi.FilterLog](record).Target, 100); got != "/logged" {
		t.Errorf("LOG: target %q", got)
	}
}
