//go:build windows || (unix && cgo)

package filter_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/testext"
)

// named is a trace filter of another name that wants some events only, and perhaps a priority.
func named(t testing.TB, name, events, order string) string {
	flags := []string{`-DNAME="` + name + `"`}
	if events != "" {
		flags = append(flags, "-DEVENTS="+events)
	}
	if order != "" {
		flags = append(flags, "-DORDER=SF_NOTIFY_ORDER_"+order)
	}
	return traceFilter(t, flags...)
}

const someEvents = "(SF_NOTIFY_PREPROC_HEADERS|SF_NOTIFY_LOG)"

// TestPriority: global filters first, each of them and those of the site by priority, and as configured within one; no order bit is
// LOW.
func TestPriority(t *testing.T) {
	s := start(t)
	for _, c := range []struct {
		name, order string
		global      bool
	}{
		{"a", "LOW", false}, {"b", "HIGH", false}, {"c", "MEDIUM", false}, {"d", "LOW", true}, {"e", "HIGH", true},
		{"f", "HIGH", false}, {"g", "DEFAULT", true},
	} {
		s.chain = append(s.chain, filter.Member{Filter: s.load(named(t, c.name, someEvents, c.order), nil), Global: c.global})
	}
	none := s.load(traceFilter(t, `-DNAME="h"`, "-DEVENTS="+someEvents, "-DORDER=0"), nil)
	s.chain = append(s.chain, filter.Member{Filter: none})
	s.do("GET", "/file/page.txt")
	s.result(1)
	var got string
	for _, line := range s.events() {
		got += line[:1]
	}
	if want := "edgbfcahedgbfcah"; got != want {
		t.Errorf("order is %s, want %s", got, want)
	}
	if f := none.Flags(); f != isapi.NotifyPreprocHeaders|isapi.NotifyLog|isapi.NotifyOrderLow|isapi.NotifySecurePort|isapi.NotifyNonsecurePort || none.Priority() != 2 {
		t.Errorf("flags are %s, priority %d", isapi.Notification(f), none.Priority())
	}
}

// TestTwo is what two filters do to each other: a has the higher priority.
func TestTwo(t *testing.T) {
	for _, c := range []struct{ name, target, do, answer, events string }{
		{"the same header", "/echo", "PREPROC_HEADERS@a=set:X-A:|1;PREPROC_HEADERS@b=append:X-A:|2", "200 GET /echo user=- body= <nil> X-A=12 Host=HOST", ""},
		{"the later sees what the earlier has made of the URL", "/x", "PREPROC_HEADERS@a=set:url|/echo;PREPROC_HEADERS@b=append:url|?b", "200 GET /echo?b user=- body= <nil> Host=HOST", ""},
		{"the response in the same order", "/echo", "SEND_RESPONSE@a=set:X-R:|1;SEND_RESPONSE@b=append:X-R:|2", "200 GET /echo user=- body= <nil> Host=HOST X-R: 12", ""},
		{"HANDLED", "/file/page.txt", "PREPROC_HEADERS@a=handled;URL_MAP@a=handled;AUTHENTICATION@a=handled;AUTH_COMPLETE@a=handled;SEND_RESPONSE@a=handled;END_OF_REQUEST@a=handled;LOG@a=handled",
			"200 a page\n", `a#1 PREPROC_HEADERS GET /file/page.txt
			a#1 URL_MAP /file/page.txt to /file/page.txt
			a#1 AUTHENTICATION "" ""
			a#1 AUTH_COMPLETE ""
			a#1 SEND_RESPONSE HTTP/1.1 200 OK
			a#1 END_OF_REQUEST
			b#1 END_OF_REQUEST
			a#1 LOG GET /file/page.txt? "-" 200`},
		{"FINISHED", "/file/page.txt", "PREPROC_HEADERS@a=page:x;PREPROC_HEADERS@a=finished", "200 x", `a#1 PREPROC_HEADERS GET /file/page.txt
			a#1 SEND_RESPONSE HTTP/1.1 200 OK
			b#1 SEND_RESPONSE HTTP/1.1 200 OK
			a#1 END_OF_REQUEST
			b#1 END_OF_REQUEST
			a#1 LOG GET /file/page.txt? "-" 200
			b#1 LOG GET /file/page.txt? "-" 200`},
		{"a fault of one is not the other's", "/file/page.txt", "PREPROC_HEADERS@a=crash", "500 page 500.0", `a#1 PREPROC_HEADERS GET /file/page.txt
			b#1 SEND_RESPONSE HTTP/1.1 500 Internal Server Error
			b#1 END_OF_REQUEST
			b#1 LOG GET /file/page.txt? "-" 500`},
		{"a response that another changes", "/file/page.txt", "PREPROC_HEADERS@a=page:x;SEND_RESPONSE@b=set:status|404 Other;SEND_RESPONSE@b=add:X-R:|b", "404 x X-R: b", ""},
		{"disabled for one", "/file/page.txt", "PREPROC_HEADERS@a=disable:0x0400ffc0", "200 a page\n", `a#1 PREPROC_HEADERS GET /file/page.txt
			b#1 PREPROC_HEADERS GET /file/page.txt
			b#1 URL_MAP /file/page.txt to /file/page.txt
			b#1 AUTHENTICATION "" ""
			b#1 AUTH_COMPLETE ""
			b#1 SEND_RESPONSE HTTP/1.1 200 OK
			b#1 END_OF_REQUEST
			b#1 LOG GET /file/page.txt? "-" 200`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t)
			b := s.load(named(t, "b", "", "LOW"), nil)
			s.chain = []filter.Member{{Filter: b}, {Filter: s.load(named(t, "a", "", "HIGH"), nil)}}
			a := s.do("GET", c.target, "X-Do: "+c.do)
			s.result(1)
			got := strings.ReplaceAll(a.String(), strings.TrimPrefix(s.srv.URL, "http://"), "HOST")
			if a.err == nil && a.Header.Get("X-R") != "" {
				got += " X-R: " + a.Header.Get("X-R")
			}
			if got != c.answer {
				t.Errorf("answer is %q, want %q", got, c.answer)
			}
			if c.events != "" {
				expect(t, s.events(), c.events)
			}
		})
	}
}

// TestKeepAlive: a connection has one pFilterContext for all its requests, and AUTHENTICATION only when the credentials are new.
func TestKeepAlive(t *testing.T) {
	s := start(t)
	s.chain = []filter.Member{{Filter: s.load(named(t, "a", "(SF_NOTIFY_AUTHENTICATION|SF_NOTIFY_LOG|SF_NOTIFY_END_OF_NET_SESSION)", ""), nil)}}
	do := "X-Do: AUTHENTICATION=user:alice|wonderland"
	for i, head := range [][]string{{do}, {}, {"User: bob:x"}, {"User: bob:x"}, {}} {
		if a := s.do("GET", "/echo", head...); a.err != nil || !strings.Contains(a.body, "user=alice/") {
			t.Errorf("request %d: %s", i, a)
		}
		s.result(i + 1)
	}
	s.stop()
	expect(t, s.lastEvents("END_OF_NET_SESSION"), `AUTHENTICATION "" ""
		LOG GET /echo? "alice" 200
		LOG GET /echo? "alice" 200
		AUTHENTICATION "bob" "x"
		LOG GET /echo? "alice" 200
		LOG GET /echo? "alice" 200
		AUTHENTICATION "" ""
		LOG GET /echo? "alice" 200
		END_OF_NET_SESSION`)
}

// TestLogon is what comes of the credentials that a filter leaves.
func TestLogon(t *testing.T) {
	for _, c := range []struct {
		name, user, do, answer string
		vouch                  bool
	}{
		{"mapped", "web:x", "AUTHENTICATION=user:alice|wonderland", "200 GET /echo user=alice/web", false},
		{"mapped to nobody", "web:x", "AUTHENTICATION=user:eve|x", "401 page 401.1", false},
		{"to anonymous", "alice:wonderland", "AUTHENTICATION=user:|", "401 page 401.1", false},
		{"left alone", "alice:wonderland", "", "200 GET /echo user=alice/", false},
		{"handled", "alice:wonderland", "AUTHENTICATION=handled", "200 GET /echo user=alice/", false},
		{"handled, but nobody", "web:x", "AUTHENTICATION=handled", "401 page 401.1", false},
		{"vouched for", "web:x", "AUTHENTICATION=handled", "200 GET /echo user=web/", true},
		{"not vouched for", "web:x", "", "401 page 401.1", true},
		{"longest name", strings.Repeat("u", 256) + ":x", "AUTHENTICATION=user:alice|wonderland", "200 GET /echo user=alice/" + strings.Repeat("u", 256), false},
		{"name too long to show", strings.Repeat("u", 600) + ":x", "AUTHENTICATION=user:alice|wonderland", "401 page 401.1", false},
		{"name with a NUL", "alice\x00:x", "AUTHENTICATION=handled", "401 page 401.1", true},
		{"again", "alice:wonderland", "AUTH_COMPLETE=reset", "200 GET /echo user=alice/", false},
		{"again elsewhere", "web:x", "AUTHENTICATION=user:alice|wonderland;AUTH_COMPLETE=set:url|/echo?2", "200 GET /echo?2 user=alice/web", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t)
			s.host.closed, s.host.realm, s.host.vouch = true, "r", c.vouch
			s.chain = []filter.Member{{Filter: s.load(traceFilter(t), nil)}}
			for range 2 { // the second time the filter is not asked
				a := s.do("GET", "/echo", "User: "+c.user, "X-Do: "+c.do)
				if got, _, _ := strings.Cut(a.String(), " body="); got != c.answer {
					t.Errorf("answer is %q, want %q", got, c.answer)
				}
				if a.err == nil && (a.StatusCode == 401) != (a.Header.Get("WWW-Authenticate") == `Basic realm="r", charset="UTF-8"`) {
					t.Errorf("%d with WWW-Authenticate %q", a.StatusCode, a.Header.Get("WWW-Authenticate"))
				}
			}
		})
	}
}

// TestLog is what filters make of the log.
func TestLog(t *testing.T) {
	s := start(t)
	s.chain = []filter.Member{{Filter: s.load(traceFilter(t), nil)}}
	for i, c := range []struct {
		do   string
		want *executor.LogRecord
	}{
		{"", nil},
		{"PREPROC_HEADERS=set:url|/file/page.txt", nil},
		{"LOG=log:target|/other;LOG=log:parameters|NULL;LOG=log:user|x\ty", &executor.LogRecord{Target: "/other", Parameters: "-", ClientUser: "x y", Operation: "GET"}},
		{"LOG=log:operation|;LOG=log:user|NULL", &executor.LogRecord{Target: "/file/page.txt", Parameters: "q=1", ClientUser: "-", Operation: ""}},
	} {
		s.do("GET", "/file/page.txt?q=1", "X-Do: "+c.do)
		got := s.result(i + 1).Log
		if (got == nil) != (c.want == nil) {
			t.Errorf("%s: record is %+v, want %+v", c.do, got, c.want)
			continue
		}
		if got == nil {
			continue
		}
		rest := *got
		rest.Target, rest.Parameters, rest.ClientUser, rest.Operation = c.want.Target, c.want.Parameters, c.want.ClientUser, c.want.Operation
		if *got != rest || got.ClientHost != "127.0.0.1" || got.Server != "127.0.0.1" || got.Status != 200 || got.BytesSent != 7 || got.Elapsed > time.Minute {
			t.Errorf("%s: record is %+v", c.do, got)
		}
	}
}

// TestLogTexts: what a filter writes over the texts of LOG, which are not its own, no other filter sees; what one has put in their place
// the next ones do, also where they are longer than most.
func TestLogTexts(t *testing.T) {
	const scribbler = `#include <httpfilt.h>
#include <string.h>
BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *v) { v->dwFlags = SF_NOTIFY_LOG | SF_NOTIFY_ORDER_%s; return TRUE; }
DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD n, VOID *p) {
	HTTP_FILTER_LOG *l = p;
	(void)c; (void)n;
	memset((char *)l->pszOperation, '!', strlen(l->pszOperation));
	memset((char *)l->pszTarget, '!', strlen(l->pszTarget));
	memset((char *)l->pszParameters, '!', strlen(l->pszParameters));
	return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
`
	s := start(t)
	for _, source := range []string{
		testext.Source(t, fmt.Sprintf(scribbler, "HIGH")), named(t, "a", someEvents, "MEDIUM"),
		testext.Source(t, fmt.Sprintf(scribbler, "LOW")), named(t, "b", someEvents, "LOW"),
	} {
		s.chain = append(s.chain, filter.Member{Filter: s.load(source, nil)})
	}
	for i, query := range []string{"q=1", strings.Repeat("long", 4096)} {
		for j, c := range []struct{ do, before, after string }{{"", "/file/page.txt", "/file/page.txt"}, {"LOG@a=log:target|/other", "/file/page.txt", "/other"}} {
			s.events()
			s.do("GET", "/file/page.txt?"+query, "X-Do: "+c.do)
			s.result(2*i + j + 1)
			got := s.events()[2:] // behind PREPROC_HEADERS
			if len(got) != 2 || !strings.Contains(got[0], "a#1 LOG GET "+c.before+"?"+query[:3]) || !strings.Contains(got[1], "b#1 LOG GET "+c.after+"?"+query[:3]) {
				t.Errorf("%s: %.200q", c.do, got)
			}
		}
	}
}

// TestSwap: the session of a version ends with it; the next one sees the connection for the first time.
func TestSwap(t *testing.T) {
	s := start(t)
	first := s.load(named(t, "a", "", ""), nil)
	s.chain = []filter.Member{{Filter: first}}
	s.do("GET", "/nowhere")
	s.result(1)
	s.chain = []filter.Member{{Filter: s.load(named(t, "b", "", ""), nil)}}
	s.events()
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if got := s.events(); !slices.Equal(got, []string{"a#1 END_OF_NET_SESSION", "a TerminateFilter"}) {
		t.Errorf("at the end of the first version: %q", got)
	}
	s.do("GET", "/nowhere")
	s.result(2)
	s.stop()
	all := s.lastEvents("END_OF_NET_SESSION")
	if slices.ContainsFunc(all, func(l string) bool { return strings.HasPrefix(l, "a") }) || !strings.HasPrefix(all[0], "b#1 PREPROC") {
		t.Errorf("after the swap: %q", all)
	}
}

// TestPorts: a filter of the secure port is not told of others; one without a port bit is told of both.
func TestPorts(t *testing.T) {
	s := start(t)
	secure := s.load(traceFilter(t, `-DNAME="a"`, "-DPORTS=SF_NOTIFY_SECURE_PORT"), nil)
	both := s.load(traceFilter(t, `-DNAME="b"`, "-DPORTS=0"), nil)
	plain := s.load(traceFilter(t, `-DNAME="c"`, "-DPORTS=SF_NOTIFY_NONSECURE_PORT"), nil)
	for f, want := range map[*filter.Filter][2]bool{secure: {true, false}, both: {true, true}, plain: {false, true}} {
		if got := [2]bool{f.Wants(isapi.NotifyLog, true), f.Wants(isapi.NotifyLog, false)}; got != want {
			t.Errorf("%s: wants %v, want %v", f.Description(), got, want)
		}
	}
	s.chain = []filter.Member{{Filter: secure}, {Filter: both}, {Filter: plain}}
	s.do("GET", "/nowhere")
	s.result(1)
	for _, line := range s.events() {
		if strings.HasPrefix(line, "a") {
			t.Errorf("the filter of the secure port was told: %s", line)
		}
	}
}

func TestRefused(t *testing.T) {
	for want, code := range map[string]string{
		"GetFilterVersion returned FALSE: ERROR_OLD_WIN_VERSION": "SetLastError(1150); return FALSE;",
		"GetFilterVersion returned FALSE":                        "SetLastError(0); return FALSE;",
		"asks for no event: its flags are SF_NOTIFY_ORDER_HIGH":  "v->dwFlags |= SF_NOTIFY_ORDER_HIGH; return TRUE;",
		"GetFilterVersion: " + segv:                              "*(volatile int *)16 = 1; return TRUE;",
	} {
		s := start(t)
		_, err := s.tryLoad(testext.Source(t, fmt.Sprintf(`#include <httpfilt.h>
BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *v) { %s }
DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD n, VOID *p) { (void)c; (void)n; (void)p; return SF_STATUS_REQ_NEXT_NOTIFICATION; }
`, code)), nil)
		if err == nil || !strings.Contains(err.Error(), strings.Replace(want, "ERROR_OLD_WIN_VERSION", "Windows error 1150", 1)) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}
