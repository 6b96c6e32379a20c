package executortest

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
)

// testSupportCodes goes through every code of ServerSupportFunction with fixture support.c; those with a subject of their own
// (asynchronous I/O, files, child requests, mapping) are only called with bad arguments here.
func testSupportCodes(t *testing.T, s *suite) {
	srv := s.serve(t, "support", executor.Options{})
	t.Run("refused", func(t *testing.T) { refusedCodes(t, s) })
	t.Run("unknown", func(t *testing.T) { unknownCodes(t, srv) })
	t.Run("bad arguments", func(t *testing.T) { badArguments(t, s) })
	t.Run("calls", func(t *testing.T) { supportCalls(t, srv) })
	t.Run("append log", func(t *testing.T) { appendLog(t, s) })
	t.Run("custom error", func(t *testing.T) { customError(t, s) })
	t.Run("keep connection", func(t *testing.T) { keepConnection(t, srv) })
	t.Run("trace", func(t *testing.T) { traceInfo(t, srv) })
	t.Run("in process", func(t *testing.T) { inProcess(t, srv) })
	t.Run("abortive close", func(t *testing.T) { abortiveClose(t, s, srv) })
	t.Run("client certificate", func(t *testing.T) { clientCertificate(t, s) })
	t.Run("descriptor", func(t *testing.T) { descriptor(t, s) })
	t.Run("unhealthy", func(t *testing.T) { unhealthy(t, s) })
}

// arg is an argument of fixture support.c that is text: kind s or w.
func arg(kind, text string) string {
	return kind + strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

// outcomes are the accepted errors of a code called with three NULLs, and with three pointers to nowhere.
type outcomes struct{ null, garbage string }

// worksOn has every code that does something on every system. All but those of worksOnWindows are refused.
var worksOn = map[isapi.Code]outcomes{
	isapi.SendURLRedirectResp:   {"87", "87"},
	isapi.SendURL:               {"87", "87"},
	isapi.SendResponseHeader:    {"0", "87"}, // 200 without headers
	isapi.DoneWithSession:       {"0", "0"},  // the status is not read
	isapi.MapURLToPath:          {"87", "87"},
	isapi.AppendLogParameter:    {"0", "87"},
	isapi.SendURLEx:             {"87", "87"},
	isapi.IOCompletion:          {"0", "0"}, // a value; bad when called only
	isapi.TransmitFile:          {"87", "87"},
	isapi.IsKeepConn:            {"87", "87"},
	isapi.AsyncReadClient:       {"87", "87"},
	isapi.MapURLToPathEx:        {"87", "87"},
	isapi.AbortiveClose:         {"0", "0"},
	isapi.GetCertInfoEx:         {"87", "87"},
	isapi.SendResponseHeaderEx:  {"87", "87"},
	isapi.CloseConnection:       {"0", "0"},
	isapi.IsConnected:           {"0", "87"}, // NULL: the answer is the return value
	isapi.MapUnicodeURLToPath:   {"87", "87"},
	isapi.MapUnicodeURLToPathEx: {"87", "87"},
	isapi.ExecUnicodeURL:        {"87", "87"},
	isapi.ExecURL:               {"87", "87"},
	isapi.GetExecURLStatus:      {"87", "87"},
	isapi.SendCustomError:       {"87", "87"},
	isapi.IsInProcess:           {"87", "87"},
	isapi.ReportUnhealthy:       {"0", "87"}, // the reason is optional
	isapi.NormalizeURL:          {"87", "87"},
	isapi.VectorSend:            {"87", "87"},
	isapi.GetTraceInfo:          {"87", "87"},
	isapi.SetFlushFlag:          {"0", "0"}, // a value
	isapi.GetTraceInfoEx:        {"87", "87"},
	isapi.RaiseTraceEvent:       {"87", "87"},
	isapi.CancelIO:              {"87", "87"}, // nothing is pending
	isapi.GetFileDescriptor:     {"87", "87"},
	isapi.Counter:               {"87", "87"},
}

// Works tells whether the suite expects a code to do something, and whether only on Windows. The table in docs/conformance.md must say
// the same.
func Works(c isapi.Code) (works, onWindows bool) {
	if _, ok := worksOn[c]; ok {
		return true, false
	}
	_, ok := worksOnWindows[c]
	return ok, ok
}

// outcomes are those of a code, if it does something with these images.
func (i Images) outcomes(c isapi.Code) (o outcomes, works bool) {
	works, onWindows := Works(c)
	if c == isapi.GetFileDescriptor && i.Plain {
		return outcomes{"6", "6"}, true // none can be handed over
	}
	if onWindows {
		return worksOnWindows[c], i.windows()
	}
	return worksOn[c], works
}

func refusedCodes(t *testing.T, s *suite) {
	srv := s.serve(t, "support", executor.Options{})
	var calls []string
	for _, c := range isapi.Codes() {
		if _, works := s.outcomes(c); !works {
			for _, args := range []string{"n/n/n", "g/g/g", "o4096/d4096/d4096"} {
				calls = append(calls, fmt.Sprintf("%d/%s", uint32(c), args))
			}
		}
	}
	for i, line := range strings.Split(strings.TrimSpace(srv.get(strings.Join(calls, "&")).Body), "\n") {
		if code, _, _ := strings.Cut(line, " "); code != "87" {
			t.Errorf("%s: got %q, want FALSE and 87", calls[i], line)
		}
		if _, shown, found := strings.Cut(line, " "); found && strings.Trim(strings.Fields(shown)[0], "e") != "" {
			t.Errorf("%s: touched the buffer: %q", calls[i], line)
		}
	}
}

// unknownCodes: every number that is no code, up to 2100, and the far ends.
func unknownCodes(t *testing.T, srv *server) {
	named := map[isapi.Code]bool{}
	for _, c := range isapi.Codes() {
		named[c] = true
	}
	var calls []string
	for from := isapi.Code(0); from <= 2100; from++ {
		if named[from] {
			continue
		}
		to := from
		for to < 2100 && !named[to+1] {
			to++
		}
		for _, args := range []string{"n/n/n", "g/g/g"} {
			calls = append(calls, fmt.Sprintf("%d-%d/%s", from, to+0, args))
		}
		from = to
	}
	for i := range calls { // a range of one would show its result
		if a, b, _ := strings.Cut(strings.SplitN(calls[i], "/", 2)[0], "-"); a == b {
			calls[i] = a + calls[i][len(a)+1+len(b):]
		}
	}
	calls = append(calls, "2147483646-2147483648/g/g/g", "4294967294-4294967295/g/g/g")
	body := srv.get(strings.Join(calls, "&")).Body
	if rest := strings.ReplaceAll(body, "87\n", ""); rest != "" {
		t.Errorf("codes that do not fail with 87:\n%s", rest)
	}
}

// badArguments calls each code that works with NULLs and with wild pointers, in a request of its own: the call fails or
// the argument was none, and the next request is answered.
func badArguments(t *testing.T, s *suite) {
	srv := s.serve(t, "support", executor.Options{})
	n := 0
	for _, c := range isapi.Codes() {
		is, works := s.outcomes(c)
		if !works {
			continue
		}
		for args, want := range map[string]string{"n/n/n": is.null, "g/g/g": is.garbage} {
			_, _ = srv.try("GET", fmt.Sprintf("/app.dll/x?%d/%s", uint32(c), args), nil) // some end the connection
			if got := strings.TrimSpace(srv.result(n).LogData); got != want {
				t.Errorf("%v with %s: got %q, want %s", c, args, got, want)
			}
			n++
		}
	}
	if res := srv.get("1043/v1"); res.Body != "0\n" {
		t.Errorf("afterwards: %s %q", res.Status, res.Body)
	}
}

// supportCalls are the codes that only answer something.
func supportCalls(t *testing.T, srv *server) {
	pointer := strings.Repeat("ee", srv.images.pointer())
	normalize := func(url string) string { return "1033/" + arg("s", url) + "/g/g" }
	tests := []struct{ name, calls, want string }{
		{"is connected", "1018/n&1018/o4/g/g", "0\n0 01000000\n"},
		{"flush flag", "1043/v1/g/g&1043/v0&1043/v4294967296", "0\n0\n0\n"},
		{"no status of a child", "1027/o8/g/g", "0 0000000000000000\n"},
		{"completion", "1005/n/g/v1&1005/v4096/g/g&1005/n", "0\n0\n0\n"},
		{"nothing to cancel", "1049/n", "87\n"},
		{"read without callback", "1010/o10/d10/d2", "87 eeeeeeeeeeeeeeeeeeee 10 2\n"},
		{"done twice", "4/n&4/d1&4/d4/g/g", "0\n0 1\n0 4\n"},
		{"no certificate", "1015/k0/g/n&1015/k2048/v2048/n", "0 0 0 0 \n0 0 0 0 \n"},
		{"trace event", "1045/s/g/g", "0 \n"},
		{"trace of a provider", "1044/o24/g/g", "0 " + pointer + strings.Repeat("00", 12) + strings.Repeat("e", 24-len(pointer)) + "\n"},

		{"normalize plain", normalize("/a/b"), "0 /a/b\n"},
		{"normalize dots", normalize("/a/./b/../c/"), "0 /a/c/\n"},
		{"normalize above the root", normalize("/../../etc/passwd"), "0 /etc/passwd\n"},
		{"normalize encoded dots", normalize("/a/%2e%2E/%62"), "0 /b\n"},
		{"normalize once only", normalize("/%252e%252e/x"), "0 /%2e%2e/x\n"},
		{"normalize back slashes", normalize(`/a\..\b`), "0 /b\n"},
		{"normalize query", normalize("/a/../b?x=../%2e"), "0 /b?x=../%2e\n"},
		{"normalize absolute", normalize("http://host:80/a/../b"), "0 http://host:80/b\n"},
		{"normalize host only", normalize("http://host"), "0 http://host\n"},
		{"normalize NUL", normalize("/a%00b"), "87 /a%00b\n"},
		{"normalize bad escape", normalize("/a%zz"), "87 /a%zz\n"},
		{"normalize empty", normalize(""), "0 \n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if res := srv.get(test.calls); res.Body != test.want {
				t.Errorf("%s: got %q, want %q", test.calls, res.Body, test.want)
			}
		})
	}
}
