//go:build linux

package wine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/front"
	"github.com/isapid/isapid/internal/obituary"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/testext/build"
	wines "github.com/isapid/isapid/internal/wine"
)

// say is what extensions answer with.
const say = `
static DWORD say(EXTENSION_CONTROL_BLOCK *e, const char *text) {
    char head[128];
    DWORD n = (DWORD)strlen(text);
    snprintf(head, sizeof head, "Content-Type: text/plain\r\nContent-Length: %u\r\n\r\n", (unsigned)n);
    if (!e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, "200 OK", NULL, (LPDWORD)(void *)head)) return HSE_STATUS_ERROR;
    return e->WriteClient(e->ConnID, (LPVOID)text, &n, HSE_IO_SYNC) ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
}
`

// code is an extension that says what it sees:
//
//	?pid          version, size of a pointer, number of its process as its system has it
//	?translated   PATH_TRANSLATED
//	?map=/x       that path, mapped
//	?send         the file at PATH_TRANSLATED, by its handle
//	?hold=ms      is inside for so long
//	?segv         faults; ?exit ends the process
const code = `
#include "httpext.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <windows.h>
#define PID() ((long)GetCurrentProcessId())
#define PAUSE(ms) Sleep(ms)
#else
#include <unistd.h>
#define PID() ((long)getpid())
#define PAUSE(ms) usleep((ms) * 1000)
#endif

static volatile size_t nowhere = 0x10;

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
    v->dwExtensionVersion = HSE_VERSION;
    strcpy(v->lpszExtensionDesc, "site @BUILD@");
    return TRUE;
}

` + say + `
static DWORD send_file(EXTENSION_CONTROL_BLOCK *e) {
#ifdef _WIN32
    HSE_TF_INFO t = {0};
    BOOL ok;
    HANDLE h = CreateFileA(e->lpszPathTranslated, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, FILE_FLAG_SEQUENTIAL_SCAN, NULL);
    if (h == INVALID_HANDLE_VALUE) return say(e, "it cannot be opened");
    t.hFile = h;
    t.pszStatusCode = "200 OK";
    t.pHead = (PVOID)"Content-Type: text/plain\r\n\r\n";
    t.HeadLength = (DWORD)strlen((char *)t.pHead);
    t.dwFlags = HSE_IO_SEND_HEADERS;
    ok = e->ServerSupportFunction(e->ConnID, HSE_REQ_TRANSMIT_FILE, &t, NULL, NULL);
    CloseHandle(h);
    return ok ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
#else
    return say(e, "not here");
#endif
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    char text[600];
    DWORD n = sizeof text;
    const char *q = e->lpszQueryString;
    if (!strncmp(q, "hold=", 5)) PAUSE(atoi(q + 5));
    if (!strcmp(q, "segv")) *(volatile int *)nowhere = 1;
    if (!strcmp(q, "exit")) exit(3);
    if (!strcmp(q, "send")) return send_file(e);
    if (!strcmp(q, "translated")) return say(e, e->lpszPathTranslated);
    if (!strncmp(q, "map=", 4)) {
        snprintf(text, sizeof text, "%s", q + 4);
        if (!e->ServerSupportFunction(e->ConnID, HSE_REQ_MAP_URL_TO_PATH, text, &n, NULL)) return HSE_STATUS_ERROR;
        return say(e, text);
    }
    snprintf(text, sizeof text, "@BUILD@ %d %ld", (int)sizeof(void *) * 8, PID());
    return say(e, text);
}
`

// source is code in a version.
func source(version string) string { return strings.ReplaceAll(code, "@BUILD@", version) }

// under finds Wine for programs of arch and makes a prefix of these tests' own: they kill what runs there. Without Wine the test is skipped, but
// fails where CI is set, unless it is the 32-bit one.
func under(t *testing.T, arch string) (prefix string) {
	t.Helper()
	w, err := wines.Find()
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	if err == nil {
		err = w.Supports(arch)
	}
	if err != nil {
		t.Skip(err)
	}
	arches := []string{"amd64"}
	if w.Supports("386") == nil { // to add it later would end what runs in the prefix
		arches = append(arches, "386")
	}
	cache, err := build.Cache()
	check(t, err)
	prefix = filepath.Join(cache, "wine-e2e")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	check(t, w.Prepare(ctx, prefix, arches, func(step string) { t.Log(step) }))
	return prefix
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// server is a front with one site, whose URLs name images: /site.so, /site.dll, /site32.dll.
type server struct {
	*front.Front
	t       *testing.T
	control *front.Control
	root    string
	url     string
	log     *lines
	deaths  chan *obituary.Report
}

// setUp has a configuration use the Wine of these tests, and workers that were built for them.
func setUp(t *testing.T, cfg *config.Config) {
	t.Helper()
	cfg.Wine = config.Wine{Prefix: under(t, "amd64"), Workers: t.TempDir()}
	for _, arch := range []string{"amd64", "386"} {
		exe := testext.Worker(t, arch)
		check(t, os.Symlink(exe, filepath.Join(cfg.Wine.Workers, "isapid-worker-"+arch+".exe")))
	}
}

// start serves until the test ends. change may change the configuration.
func start(t *testing.T, change func(c *config.Config, root string)) *server {
	t.Helper()
	s := &server{t: t, root: t.TempDir(), log: &lines{}, deaths: make(chan *obituary.Report, 100)}
	cfg := config.Default()
	setUp(t, cfg)
	site := config.DefaultSite("site", s.root)
	site.Bindings = []config.Binding{{Address: "127.0.0.1"}}
	site.Applications[0].Handlers = []config.Handler{{Path: "*.dll", ISAPI: true}, {Path: "*.so", ISAPI: true}}
	cfg.Sites = []config.Site{site}
	p := cfg.Pools[config.DefaultPoolName]
	p.Update.Window = 0
	p.Threads = 8
	s.put("site.dll", testext.SourceDLL(t, "amd64", source("one")))
	s.put("site.so", testext.Source(t, source("one")))
	served.Write(t, filepath.Join(s.root, "page.txt"), "a page\n")
	if change != nil {
		change(cfg, s.root)
	}
	f, err := front.New(cfg, slog.New(slog.NewTextHandler(io.MultiWriter(s.log, t.Output()), &slog.HandlerOptions{Level: slog.LevelInfo})))
	check(t, err)
	f.OnObituary(func(r *obituary.Report) { s.deaths <- r })
	_, err = served.Run(t, f)
	check(t, err)
	s.Front, s.control, s.url = f, front.NewControl(f, "test", nil), f.URLs()[0]
	return s
}

// put copies a file into the root in one step; from "" makes an empty one.
func (s *server) put(name, from string) {
	s.t.Helper()
	to := filepath.Join(s.root, name)
	if from == "" {
		served.Write(s.t, to, "")
		return
	}
	served.Copy(s.t, from, to)
}

// client does not follow where it is sent.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// get asks for a path and answers status and body.
func (s *server) get(path string) (status int, body string) {
	s.t.Helper()
	res, err := client.Get(strings.TrimSuffix(s.url, "/") + path)
	if err != nil {
		s.t.Errorf("%s: %v", path, err)
		return 0, ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Errorf("%s: %v", path, err)
	}
	return res.StatusCode, string(text)
}

// want fails the test if a path is not answered like this.
func (s *server) want(path string, status int, body string) {
	s.t.Helper()
	if got, text := s.get(path); got != status || body != "*" && text != body {
		s.t.Errorf("%s: %d %q, want %d %q", path, got, text, status, body)
	}
}

// pool is the status of one; nil: there is none.
func (s *server) pool(name string) *admin.Pool {
	for _, p := range s.control.Status().Pools {
		if p.Name == name {
			return &p
		}
	}
	return nil
}

// until waits for a fact about a pool.
func (s *server) until(name, what string, fact func(p *admin.Pool) bool) *admin.Pool {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		p := s.pool(name)
		if p != nil && fact(p) {
			return p
		}
		if time.Now().After(end) {
			s.t.Fatalf("pool %s never has %s: %+v", name, what, p)
		}
	}
}

// serving is the process of the one worker that serves; spare of the one that waits. 0: there is none.
func serving(p *admin.Pool) int { return inState(p, "ready") }
func spare(p *admin.Pool) int   { return inState(p, "spare") }

func inState(p *admin.Pool, state string) int {
	for _, w := range p.Workers {
		if w.State == state && (state != "ready" || w.Generation == p.Generation) {
			return w.Pid
		}
	}
	return 0
}

func settled(p *admin.Pool) bool {
	return p.State == pool.StateRunning && serving(p) != 0 && spare(p) != 0 && len(p.Workers) == 2
}

// load asks for a path from several clients until it is ended.
type load struct {
	s        *server
	stop     atomic.Bool
	wait     sync.WaitGroup
	answered atomic.Int64
	mu       sync.Mutex
	bad      []string       // answers that should not be
	seen     map[string]int // first words of bodies
}

func (s *server) load(path string) *load {
	l := &load{s: s, seen: map[string]int{}}
	s.t.Cleanup(func() { l.stop.Store(true); l.wait.Wait() })
	for range 4 {
		l.wait.Go(func() {
			for !l.stop.Load() {
				status, body := s.get(path)
				word, _, _ := strings.Cut(body, " ")
				l.mu.Lock()
				if l.seen[word]++; status != http.StatusOK {
					l.bad = append(l.bad, fmt.Sprintf("%d %.300q", status, body))
				}
				l.mu.Unlock()
				l.answered.Add(1)
			}
		})
	}
	return l
}

// more waits for so many more answers.
func (l *load) more(n int64) {
	l.s.t.Helper()
	for least, end := l.answered.Load()+n, time.Now().Add(time.Minute); l.answered.Load() < least; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			l.s.t.Fatal("requests are not answered")
		}
	}
}

// end ends the load and fails the test if an answer was bad.
func (l *load) end() {
	l.s.t.Helper()
	l.stop.Store(true)
	l.wait.Wait()
	if len(l.bad) > 0 {
		l.s.t.Errorf("%d of %d answers are bad, the first: %s", len(l.bad), l.answered.Load(), l.bad[0])
	}
}

// lines is a log that can be searched.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.all.String(), text)
}
