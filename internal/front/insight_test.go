package front

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/testext"
)

// hang is an extension whose requests stay inside: "wait" until a file "go" lies in the folder of the application, "read" until the body
// is there, and "write" until the client has taken some MiB.
const hang = `
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "httpext.h"

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v)
{
    v->dwExtensionVersion = HSE_VERSION;
    strcpy(v->lpszExtensionDesc, "hang");
    return TRUE;
}

static char block[65536];

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb)
{
    char path[1024];
    DWORD n = sizeof path, i, got;
    if (strcmp(ecb->lpszQueryString, "wait") == 0) {
        if (!ecb->GetServerVariable(ecb->ConnID, "APPL_PHYSICAL_PATH", path, &n)) return HSE_STATUS_ERROR;
        strcat(path, "/go");
        while (access(path, F_OK)) usleep(1000);
    } else if (strcmp(ecb->lpszQueryString, "read") == 0) {
        for (i = ecb->cbAvailable; i < ecb->cbTotalBytes; i += got) {
            got = sizeof path;
            if (!ecb->ReadClient(ecb->ConnID, path, &got) || got == 0) return HSE_STATUS_ERROR;
        }
    } else if (strcmp(ecb->lpszQueryString, "write") == 0) {
        for (i = 0; i < 512; i++) {
            n = sizeof block;
            if (!ecb->WriteClient(ecb->ConnID, block, &n, HSE_IO_SYNC)) return HSE_STATUS_ERROR;
        }
        return HSE_STATUS_SUCCESS;
    }
    n = 2;
    ecb->WriteClient(ecb->ConnID, "ok", &n, HSE_IO_SYNC);
    return HSE_STATUS_SUCCESS;
}
`

var bothModes = []config.PoolMode{config.ModeInProcess, config.ModeIsolated}

// insight is a front of one mode that can be looked into.
func insight(t *testing.T, mode config.PoolMode, change func(*config.Config)) (*trial, *Control) {
	t.Helper()
	x := &trial{T: t, image: testext.Source(t, hang), root: t.TempDir()}
	x.Front = newFront(t, x.config(func(c *config.Config) {
		defaultPool(c).Mode = mode
		c.Sites[0].Applications[0].Handlers[0].Path = "/hang/*"
		if change != nil {
			change(c)
		}
	}))
	serve(t, x.Front)
	return x, NewControl(x.Front, "test", nil)
}

// send writes a request on a connection of its own.
func (x *trial) send(request string) net.Conn {
	x.Helper()
	c, err := net.Dial("tcp", x.server.Addrs()[0].String())
	if err != nil {
		x.Fatal(err)
	}
	x.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, strings.Replace(request, "\n", "\r\nHost: x\r\n", 1)+"\r\n"); err != nil {
		x.Fatal(err)
	}
	return c
}

// Requests that hang are shown with what they are inside of, and are gone when they have ended.
func TestInFlight(t *testing.T) {
	for _, mode := range bothModes {
		t.Run(string(mode), func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "access.log")
			x, control := insight(t, mode, func(c *config.Config) { c.Log.Access = logAt(log); defaultPool(c).ReadAhead = 4 })
			if list := control.InFlight(false); len(list) != 0 {
				t.Errorf("before any request: %+v", list)
			}
			conns := map[string]net.Conn{
				"wait":  x.send("GET /hang/a?wait HTTP/1.1\n"),
				"read":  x.send("POST /hang/b?read HTTP/1.1\nContent-Length: 10\r\n"),
				"write": x.send("GET /hang/c?write HTTP/1.1\n"),
			}
			calls := map[string]string{"wait": "", "read": "ReadClient", "write": "WriteClient"}
			find := func(what string) *admin.InFlight {
				for _, q := range control.InFlight(true) {
					if strings.HasSuffix(q.URL, "?"+what) {
						return &q
					}
				}
				return nil
			}
			io.WriteString(conns["read"], "half ")
			ids := map[string]string{}
			for what, c := range conns {
				var q *admin.InFlight
				x.until(what+" inside", func() bool {
					q = find(what)
					want := 1
					if calls[what] != "" {
						want = 2
					}
					return q != nil && len(q.Inside) == want
				})
				ids[what] = q.ID
				if q.Inside[0].Call != "HttpExtensionProc" || q.Inside[0].Thread == 0 || calls[what] != "" && q.Inside[1].Call != calls[what] {
					t.Errorf("%s: it is inside of %+v, want HttpExtensionProc %s", what, q.Inside, calls[what])
				}
				isolated := mode == config.ModeIsolated
				if q.Stage != "running" || q.Client != c.LocalAddr().String() || q.Site != "test" || q.Application != "/" || q.Pool != config.DefaultPoolName ||
					q.Image != x.image || q.Generation != 1 || q.Tries != 1 || (q.Worker != "") != isolated || (q.Pid != 0) != isolated || q.Age <= 0 {
					t.Errorf("%s: got %+v", what, q)
				}
				if what == "wait" && (len(q.LastCalls) != 1 || q.LastCalls[0].Call != "GetServerVariable") {
					t.Errorf("wait: it called %+v before, want GetServerVariable", q.LastCalls)
				}
			}
			must(t, os.WriteFile(filepath.Join(x.root, "go"), nil, 0o600))
			io.WriteString(conns["read"], "more.")
			for what, c := range conns {
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				must(t, err)
				_, err = io.Copy(io.Discard, resp.Body)
				must(t, err)
				if resp.StatusCode != 200 {
					t.Errorf("%s: %s", what, resp.Status)
				}
			}
			x.until("empty", func() bool { return len(control.InFlight(false)) == 0 })
			must(t, control.Reopen()) // writes what waits
			text, err := os.ReadFile(log)
			must(t, err)
			for what, id := range ids {
				if !strings.Contains(string(text), fmt.Sprintf("%q:%q", "request", id)) {
					t.Errorf("%s: no line with the request %s in\n%s", what, id, text)
				}
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A request that waits for a worker is queued.
func TestInFlightQueued(t *testing.T) {
	for _, mode := range bothModes {
		t.Run(string(mode), func(t *testing.T) {
			x, control := insight(t, mode, func(c *config.Config) { defaultPool(c).Threads = 1 })
			first := x.send("GET /hang/?wait HTTP/1.1\n")
			x.until("running", func() bool { list := control.InFlight(false); return len(list) == 1 && len(list[0].Inside) == 1 })
			second := x.send("GET /hang/? HTTP/1.1\n")
			var q admin.InFlight
			x.until("both", func() bool {
				list := control.InFlight(false)
				if len(list) == 2 {
					q = list[1]
				}
				return len(list) == 2 && q.Pool != "" && q.Stage != "received"
			})
			if want := map[config.PoolMode]string{config.ModeInProcess: "queued", config.ModeIsolated: "running"}[mode]; q.Stage != want || len(q.Inside) != 0 {
				t.Errorf("the second: %+v, want it %s and inside of nothing", q, want) // in a worker, whether it has a thread is not known here
			}
			must(t, os.WriteFile(filepath.Join(x.root, "go"), nil, 0o600))
			for _, c := range []net.Conn{first, second} {
				if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 200 {
					t.Errorf("%v %v", resp, err)
				}
			}
		})
	}
}

// What the server refuses before a site has seen it is logged and counted as all else.
func TestRefusedIsSeen(t *testing.T) {
	log := filepath.Join(t.TempDir(), "access.log")
	x, control := insight(t, config.ModeInProcess, func(c *config.Config) {
		c.Log.Access = logAt(log)
		c.Sites[0].Bindings[0].Host = "shop"
		c.Sites[0].Limits.URL, c.Limits.URL = 100, 100
	})
	for _, c := range []struct {
		request string
		status  int
	}{
		{"GET /nobody HTTP/1.1\n", 404},
		{"GET http://shop/" + strings.Repeat("x", 200) + " HTTP/1.1\n", 404},
		{"GET http://shop/hang/ HTTP/1.1\n", 200},
		{"OPTIONS http://shop/hang/o HTTP/1.1\n", 200},
		{"BREW / HTTP/9.1\n", 505}, // net/http answers it by itself
	} {
		resp, err := http.ReadResponse(bufio.NewReader(x.send(c.request)), nil)
		must(t, err)
		if resp.StatusCode != c.status {
			t.Errorf("%.30q: got %s, want %d", c.request, resp.Status, c.status)
		}
	}
	x.until("4 counted", func() bool { return x.Stats().Requests == 4 })
	must(t, control.Reopen())
	checkAccessLog(t, log, []map[string]any{
		{"method": "GET", "url": "/nobody", "status": 404., "site": ""},
		{"method": "GET", "url": "http://shop/" + strings.Repeat("x", 200), "status": 404., "substatus": 14., "site": "test"},
		{"method": "GET", "url": "http://shop/hang/", "status": 200., "site": "test"},
		{"method": "OPTIONS", "url": "http://shop/hang/o", "status": 200., "site": "test"},
	})
	if s := control.Status(); s.Requests.Served != 4 || s.Requests.Running != 0 || s.Process.Threads == 0 || s.Process.Resident == 0 {
		t.Errorf("status %+v %+v", s.Requests, s.Process)
	}
}

// Over TLS and HTTP/2, where several requests share a connection, each is seen for itself.
func TestInFlightTogether(t *testing.T) {
	for _, mode := range bothModes {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprint(mode, " http2=", http2), func(t *testing.T) {
				log := filepath.Join(t.TempDir(), "access.log")
				x, control := insight(t, mode, func(c *config.Config) {
					certificates(t, c)
					c.Sites[0].HTTP2 = http2
					c.Log.Access = logAt(log)
				})
				transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: http2, DisableKeepAlives: !http2}
				defer transport.CloseIdleConnections()
				client := http.Client{Transport: transport}
				url := "https://" + x.server.Addrs()[0].String()
				ask := func(path string) (status int, proto string) {
					resp, err := client.Get(url + path)
					if err != nil {
						t.Error(err)
						return 0, ""
					}
					defer resp.Body.Close()
					_, _ = io.Copy(io.Discard, resp.Body)
					return resp.StatusCode, resp.Proto
				}
				const n = 5
				var all sync.WaitGroup
				for i := range n {
					all.Go(func() {
						want := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[http2]
						if status, proto := ask(fmt.Sprintf("/hang/%d?wait", i)); status != 200 || proto != want {
							t.Errorf("%d: %d %s, want 200 %s", i, status, proto, want)
						}
					})
				}
				seen := map[string]string{}
				x.until("inside", func() bool {
					clear(seen)
					for _, q := range control.InFlight(false) {
						if len(q.Inside) == 1 && q.Site == "test" && q.Image == x.image {
							seen[q.URL] = q.ID
						}
					}
					return len(seen) == n
				})
				if status, _ := ask("/missing"); status != 404 {
					t.Errorf("beside them: %d", status)
				}
				must(t, os.WriteFile(filepath.Join(x.root, "go"), nil, 0o600))
				all.Wait()
				x.until("over", func() bool { return x.Stats().Requests == n+1 })
				must(t, control.Reopen())
				want := []map[string]any{{"url": "/missing", "status": 404., "site": "test"}}
				for url, id := range seen {
					want = append(want, map[string]any{"url": url, "status": 200., "request": id, "bytes": 2.})
				}
				checkAccessLog(t, log, want)
			})
		}
	}
}

// The status tells of images and workers what they are, and what they have used.
func TestStatusTellsAll(t *testing.T) {
	for _, mode := range bothModes {
		t.Run(string(mode), func(t *testing.T) {
			x, control := insight(t, mode, nil)
			for range 3 {
				get(t, x.URLs()[0]+"hang/")
			}
			x.until("counted", func() bool { return control.Status().Requests.Served == 3 })
			s := control.Status()
			if s.Process.Threads == 0 || s.Process.Resident == 0 || s.Process.CPU == 0 || s.Misuse == nil || s.Snoops == nil || s.InFlight != nil {
				t.Errorf("got %+v", s)
			}
			if mode == config.ModeInProcess {
				if len(s.InProcess) != 1 {
					t.Fatalf("got %+v", s.InProcess)
				}
				e := s.InProcess[0]
				if e.Image != x.image || len(e.SHA256) != 64 || e.Size == 0 || e.Generation != 1 || e.Requests != 3 || e.Faults != 0 || e.Filter {
					t.Errorf("got %+v", e)
				}
			} else {
				x.until("used", func() bool { w := control.Status().Pools[0].Workers[0]; return w.Threads > 0 })
				if i := s.Pools[0].Images[0]; i.Path != x.image || len(i.SHA256) != 64 {
					t.Errorf("got %+v", i)
				}
			}
			text := scrape(t, control)
			for _, want := range []string{
				`isapid_requests_total{application="/",generation="1",image="` + x.image + `",pool="default",site="test",status="2xx"} 3`,
				"isapid_api_calls_total{", "isapid_requests_in_flight 0",
			} {
				if !strings.Contains(text, want) {
					t.Errorf("no %s in\n%s", want, grep(text, "isapid_"))
				}
			}
		})
	}
}
