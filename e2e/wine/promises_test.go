//go:build linux

package wine

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/trace"
)

// promise is an extension that says what its pool has given it, and does what a pool is to notice:
//
//	?env=X, ?getenv=X   a variable, of the process and of the C runtime
//	?folder             the working folder
//	?files=n            how many files it could open
//	?var=X              a server variable
//	?count, ?twice      counts; ends its request twice
//	?spin, ?dies        never ends; ends its process in a way that nobody can contain
const promise = `
#include "httpext.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
    v->dwExtensionVersion = HSE_VERSION;
    strcpy(v->lpszExtensionDesc, "promise");
    return TRUE;
}

` + say + `
static int files(int most) {
    HANDLE *h = calloc(most, sizeof *h);
    DWORD size = 1;
    char byte;
    int i, n = 0;
    for (i = 0; i < most && size == 1; i++) { /* not longer than need be: nobody here can make a thread without a descriptor */
        h[i] = CreateFileA("page.txt", GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
        size = 0;
        if (h[i] != INVALID_HANDLE_VALUE && ReadFile(h[i], &byte, 1, &size, NULL) && size == 1) n++;
    }
    while (i-- > 0) if (h[i] != INVALID_HANDLE_VALUE) CloseHandle(h[i]);
    free(h);
    return n;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    char text[4096] = "(none)";
    const char *q = e->lpszQueryString;
    DWORD n = sizeof text;
    if (!strncmp(q, "env=", 4)) GetEnvironmentVariableA(q + 4, text, n);
    if (!strncmp(q, "getenv=", 7) && getenv(q + 7)) snprintf(text, n, "%s", getenv(q + 7));
    if (!strcmp(q, "folder")) GetCurrentDirectoryA(n, text);
    if (!strncmp(q, "files=", 6)) snprintf(text, n, "%d", files(atoi(q + 6)));
    if (!strncmp(q, "var=", 4)) e->GetServerVariable(e->ConnID, (LPSTR)q + 4, text, &n);
    if (!strcmp(q, "count")) {
        HSE_COUNTER_INFO c = {0};
        const char *labels[] = {"country", "de"};
        c.pszName = "orders";
        c.dDelta = 2;
        c.ppszLabels = labels;
        c.cLabels = 1;
        if (e->ServerSupportFunction(e->ConnID, HSE_REQ_COUNTER, &c, NULL, NULL)) strcpy(text, "counted");
    }
    if (!strcmp(q, "twice")) {
        DWORD done = HSE_STATUS_SUCCESS;
        say(e, "done");
        e->ServerSupportFunction(e->ConnID, HSE_REQ_DONE_WITH_SESSION, &done, NULL, NULL);
        e->ServerSupportFunction(e->ConnID, HSE_REQ_DONE_WITH_SESSION, &done, NULL, NULL);
        return HSE_STATUS_PENDING;
    }
    if (!strcmp(q, "dies")) __asm__ volatile("mov $0x4141, %%rsp\n\tpush %%rax" ::: "memory");
    while (!strcmp(q, "spin")) Sleep(1000);
    if (!*q) snprintf(text, n, "%lu", (unsigned long)GetCurrentProcessId());
    return say(e, text);
}
`

// TestPromises: what a pool promises holds for workers under Wine; what cannot hold is refused.
func TestPromises(t *testing.T) {
	folder := t.TempDir()
	s := start(t, func(c *config.Config, root string) {
		check(t, os.WriteFile(filepath.Join(folder, "page.txt"), []byte("a page\n"), 0o600))
		dll := testext.SourceDLL(t, "amd64", promise)
		add := func(name string, change func(p *config.Pool)) {
			p := config.DefaultPool()
			p.Spare, p.Update.Window, p.Health.Ping = 0, 0, time.Hour
			change(p)
			c.Pools[name] = p
			at := filepath.Join(root, name)
			check(t, os.Mkdir(at, 0o700))
			data, err := os.ReadFile(dll)
			check(t, err)
			check(t, os.WriteFile(filepath.Join(at, "promise.dll"), data, 0o700))
			app := c.Sites[0].Applications[0]
			app.Path, app.Pool = "/"+name, name
			c.Sites[0].Applications = append(c.Sites[0].Applications, app)
		}
		add("set", func(p *config.Pool) {
			limit := uint64(200)
			p.Environment = map[string]string{"SHOP": "two words", "TEMP": `C:\shop`, "HOME": `Z:\home`, "TMPDIR": "/nowhere", "TZ": "Europe/Berlin"}
			p.Directory, p.Nice, p.RLimits.Files, p.Checks = folder, 5, &limit, config.ChecksOn
		})
		add("boxed", func(p *config.Pool) { p.Sandbox = &config.Sandbox{Connect: []uint16{}} })
		add("short", func(p *config.Pool) { p.Recycle.Requests = 3 })
		add("sleepy", func(p *config.Pool) { p.OnDemand, p.IdleTimeout, p.Spare = true, 300*time.Millisecond, 1 })
		add("frail", func(p *config.Pool) { p.Crashes = config.Crashes{Max: 2, Window: time.Hour} })
		add("ill", func(p *config.Pool) {
			p.Threads, p.Health, p.ShutdownLimit = 1, config.Health{Ping: 100 * time.Millisecond, Timeout: time.Second}, time.Second
		})
	})
	for name, test := range map[string]func(p *server){
		"settings": givesSettings, "refusals": refusesSettings, "insight": showsWhatHappens, "recycling": recycles, "idle": sleeps, "rapid fail": failsFast, "health": findsHangs,
	} {
		t.Run(name, func(t *testing.T) {
			one := *s
			one.t = t
			test(&one)
		})
	}
}

// givesSettings: environment, working folder, priority and limits of a pool.
func givesSettings(s *server) {
	for query, want := range map[string]string{
		"env=SHOP": "two words", "getenv=SHOP": "two words", "env=TEMP": `C:\shop`, "getenv=TEMP": `C:\shop`, "env=HOME": `Z:\home`, "env=TMPDIR": "/nowhere", "env=TZ": "(none)", "getenv=TZ": "(none)",
	} {
		s.want("/set/promise.dll?"+query, 200, want)
	}
	code, body := 502, ""
	for tries := 0; code == 502 && tries < 2; tries++ { // a worker that needed a thread just then has ended; so may the second one have, in which the request ran again
		code, body = s.get("/set/promise.dll?files=1000")
	}
	var opened int
	if _, err := fmt.Sscan(body, &opened); err != nil || opened < 100 || opened >= 200 {
		s.t.Errorf("it could open %s files of 1000, with a limit of 200", body)
	}
	set := s.until("set:win64", "a worker", func(p *admin.Pool) bool { return serving(p) != 0 })
	w := set.Workers[slices.IndexFunc(set.Workers, func(w pool.WorkerStatus) bool { return w.Pid == serving(set) })]
	at, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", w.Pid))
	_, body = s.get("/set/promise.dll?folder")
	if body != "Z:"+strings.ReplaceAll(at, "/", `\`) || filepath.Base(at) != "001" {
		s.t.Errorf("its folder is %s, of the process %s", body, at)
	}
	if nice, err := unix.Getpriority(unix.PRIO_PROCESS, w.Pid); err != nil || nice != 20-5 {
		s.t.Errorf("its priority is %d, %v", nice, err)
	}
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.Pid)); !strings.Contains(string(status), "NoNewPrivs:\t1") {
		s.t.Errorf("it may gain privileges: %v", err)
	}
	if w.Platform != "windows/amd64" || w.Wine == "" || w.Resident == 0 || w.Private == 0 || w.Threads == 0 {
		s.t.Errorf("%+v", w)
	}
}

// refusesSettings: a pool whose settings a worker under Wine cannot have does not load a DLL, and says why.
func refusesSettings(s *server) {
	for name, why := range map[string]string{"boxed": `cannot have a \"sandbox\"`} {
		s.want("/"+name+"/promise.dll", 500, "*")
		if !s.log.has(why) {
			s.t.Errorf("the log has no %s", why)
		}
	}
}

// showsWhatHappens: snoop by a whole path, findings, counters and the context of a trace.
func showsWhatHappens(s *server) {
	s.want("/set/promise.dll?env=SHOP", 200, "two words")
	image := filepath.Join(s.root, "set", "promise.dll")
	calls, end := s.listen(trace.Filter{Image: image, Calls: []string{"GetServerVariable"}})
	s.want("/set/promise.dll?var=ISAPID_TRACEPARENT", 200, "(none)")
	if c, ok := <-calls; !ok || c.name != "GetServerVariable" {
		s.t.Errorf("snoop %s shows %+v, %v", image, c, ok)
	}
	end()
	q, err := http.NewRequest("GET", s.url+"set/promise.dll?var=HTTP_TRACEPARENT", nil)
	check(s.t, err)
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	q.Header.Set("Traceparent", parent)
	if res, err := client.Do(q); err != nil || res.ContentLength != int64(len(parent)) {
		s.t.Errorf("%+v, %v", res, err)
	} else {
		res.Body.Close()
	}
	s.want("/set/promise.dll?count", 200, "counted")
	s.want("/set/promise.dll?twice", 200, "done")
	found, metrics := false, ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for _, f := range s.control.Status().Misuse {
			found = found || f.Kind == "double_completion" && f.Image == image && strings.Contains(strings.Join(f.Stack, " "), "promise.dll")
		}
		r := httptest.NewRecorder()
		s.control.Metrics().ServeHTTP(r, httptest.NewRequest("GET", "/metrics", nil))
		metrics = r.Body.String()
		if found && strings.Contains(metrics, `isapid_ext_orders_total{country="de",image="`+image+`",pool="set:win64"} 2`) {
			return
		}
	}
	s.t.Errorf("finding: %v, counter: %v", found, strings.Contains(metrics, "isapid_ext_orders_total"))
}

// recycles: a worker is replaced after so many requests, and none is lost.
func recycles(s *server) {
	for range 8 {
		s.want("/short/promise.dll", 200, "*")
	}
	s.until("short:win64", "another generation", func(p *admin.Pool) bool { return p.Generation > 1 && p.Totals.Crashes == 0 })
	s.want("/short/promise.dll", 200, "*")
}

// sleeps: a pool without requests has no process, not even a spare one, until there is a request.
func sleeps(s *server) {
	for range 2 {
		s.want("/sleepy/promise.dll", 200, "*")
		s.until("sleepy:win64", "its rest", func(p *admin.Pool) bool { return p.State == pool.StateIdle && len(p.Workers) == 0 })
	}
}

// failsFast: a pool whose workers die all the time answers 503.
func failsFast(s *server) {
	s.want("/frail/promise.dll", 200, "*")
	s.want("/frail/promise.dll?dies", 502, "*") // it is run again once
	s.get("/frail/promise.dll?dies")
	s.until("frail:win64", "enough", func(p *admin.Pool) bool { return p.State == pool.StateDegraded })
	s.want("/frail/promise.dll", 503, "*")
}

// findsHangs: a worker whose only thread hangs is found by its ping, killed and replaced.
func findsHangs(s *server) {
	s.want("/ill/promise.dll", 200, "*")
	s.want("/ill/promise.dll?spin", 502, "*")
	s.want("/ill/promise.dll", 200, "*")
	if !s.log.has("answered a ping within") {
		s.t.Error("the log does not say that it answers no ping")
	}
}
