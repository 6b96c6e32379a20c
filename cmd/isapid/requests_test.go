package main

import (
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/admin"
)

// TestPrintRequests compares the whole text for requests at each place.
func TestPrintRequests(t *testing.T) {
	list := []admin.InFlight{
		{
			ID: "0h5", Age: admin.Seconds(3200 * time.Millisecond), Stage: "running", Pool: "legacy", Worker: "legacy/7", Pid: 9120, Client: "10.0.0.9", Method: "GET", URL: "/report?\x1b[2J",
			Inside: []admin.Inside{{Call: "HttpExtensionProc", Age: admin.Seconds(3200 * time.Millisecond)}, {Call: "WriteClient", Age: admin.Seconds(3100 * time.Millisecond)}},
			LastCalls: []admin.Inside{
				{Call: "GetServerVariable", Age: admin.Seconds(3150 * time.Millisecond), Error: 1413}, {Call: "HSE_REQ_SEND_RESPONSE_HEADER_EX", Age: admin.Seconds(3120 * time.Millisecond)},
			},
		},
		{ID: "0h6", Age: admin.Seconds(12 * time.Millisecond), Stage: "queued", Pool: "fast", Client: "10.0.0.10", Method: "POST", URL: "/"},
		{ID: "0h7", Stage: "received", Method: "GET", URL: "/\u202efdp.exe"},
	}
	want := `REQUEST  AGE    STAGE     CLIENT     WHERE            URL                    INSIDE
0h5      3.2 s  running   10.0.0.9   legacy/7 (9120)  GET "/report?\x1b[2J"  HttpExtensionProc > WriteClient for 3.1 s
  3.15 s ago  GetServerVariable, error 1413
  3.12 s ago  HSE_REQ_SEND_RESPONSE_HEADER_EX
0h6      12 ms  queued    10.0.0.10  fast             POST /                 -
0h7      0 ms   received  -          -                GET "/\u202efdp.exe"   -
`
	var out strings.Builder
	printRequests(&out, list)
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	if printRequests(&out, nil); out.String() != "no request is in flight\n" {
		t.Errorf("got %q", out.String())
	}
}
