package windows

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/testwait"
)

// extension is the source of an extension that says its version, crashes, or waits for a file to go.
const extension = `
#include <windows.h>
#include <stdio.h>
#include <string.h>
#include "httpext.h"

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
	v->dwExtensionVersion = MAKELONG(0, 6);
	strcpy(v->lpszExtensionDesc, "version " VERSION);
	return TRUE;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb) {
	char path[MAX_PATH + 300] = "", body[700];
	DWORD n = sizeof path;
	if (strstr(ecb->lpszPathInfo, "crash"))
		*(volatile int *)8 = 1;
	if (strstr(ecb->lpszPathInfo, "wait")) {
		sprintf(body, "%s.begun", ecb->lpszQueryString);
		CloseHandle(CreateFileA(body, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL));
	}
	while (strstr(ecb->lpszPathInfo, "wait") && GetFileAttributesA(ecb->lpszQueryString) != INVALID_FILE_ATTRIBUTES)
		Sleep(10);
	ecb->GetServerVariable(ecb->ConnID, "PATH_TRANSLATED", path, &n);
	sprintf(body, "version %s, %s", VERSION, path);
	n = (DWORD)strlen(body);
	ecb->WriteClient(ecb->ConnID, body, &n, HSE_IO_SYNC);
	return HSE_STATUS_SUCCESS;
}

BOOL WINAPI TerminateExtension(DWORD flags) { return TRUE; }
`

// version builds a version of the extension.
func version(t *testing.T, name string) (dll string) {
	t.Helper()
	return testext.SourceDLL(t, "amd64", fmt.Sprintf("#define VERSION %q\n", name)+extension)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// inside is a path of this side as programs in a prefix see it.
func inside(path string) string { return `Z:` + strings.ReplaceAll(path, "/", `\`) }

// TestRun: a DLL is served in a worker, and in the server's own process; a file beside it replaces it; Ctrl-C ends the server.
func TestRun(t *testing.T) {
	m := newMachine(t)
	one, two := version(t, "one"), version(t, "two")
	for _, mode := range []string{"isolated", "in-process"} {
		t.Run(mode, func(t *testing.T) {
			m := m.in(t)
			dir, address := t.TempDir(), served.Free(t)
			served.Copy(t, one, filepath.Join(dir, "legacy.dll"))
			args := []string{"run", "legacy.dll", "--addr", address}
			if mode == "in-process" {
				args = append(args, "--in-process")
			}
			c := m.start(dir, args...)
			c.shows("press Ctrl-C")
			url := "http://" + address
			if got, want := get(t, url+"/a/b.html"), "200 version one, "+inside(dir)+`\a\b.html`; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if got := get(t, url+"/crash"); !strings.HasPrefix(got, "500 ") {
				t.Errorf("a crash: %q", got)
			}
			testwait.Until(t, "another answer", func() bool { return strings.HasPrefix(get(t, url+"/"), "200 version one") })
			served.Copy(t, two, filepath.Join(dir, "legacy.dll.update"))
			c.shows("replaced legacy.dll by version")
			if got := get(t, url+"/"); !strings.HasPrefix(got, "200 version two") {
				t.Errorf("after the swap: %q", got)
			}
			c.press("\x03")
			c.shows("stopped: ")
			c.ends(0)
		})
	}
}

// TestCtrlC: the first waits for requests, the second does not.
func TestCtrlC(t *testing.T) {
	m := newMachine(t)
	dll := version(t, "one")
	for name, twice := range map[string]bool{"once": false, "twice": true} {
		t.Run(name, func(t *testing.T) {
			m := m.in(t)
			dir, address := t.TempDir(), served.Free(t)
			served.Copy(t, dll, filepath.Join(dir, "legacy.dll"))
			hold := filepath.Join(dir, "hold")
			served.Write(t, hold, "")
			c := m.start(dir, "run", "legacy.dll", "--addr", address)
			c.shows("press Ctrl-C")
			answer := make(chan string, 1)
			go func() {
				resp, err := http.Get("http://" + address + "/wait?" + inside(hold))
				if err != nil {
					answer <- err.Error()
					return
				}
				resp.Body.Close()
				answer <- resp.Status
			}()
			testwait.Until(t, "the request runs", func() bool { return exists(hold + ".begun") })
			c.press("\x03")
			c.shows("press Ctrl-C again")
			if twice {
				c.press("\x03")
				c.ends(130)
				<-answer // whatever it is
				return
			}
			if err := os.Remove(hold); err != nil {
				t.Fatal(err)
			}
			if got := <-answer; got != "200 OK" {
				t.Errorf("the request got %s", got)
			}
			c.ends(0)
		})
	}
}

// site is a configuration with files and a DLL; log and pipe are its own.
func site(t *testing.T, dir, address string) (file string) {
	t.Helper()
	file = filepath.Join(dir, "isapid.yaml")
	served.Write(t, filepath.Join(dir, "www", "index.html"), "a page")
	served.Write(t, file, fmt.Sprintf(`sites:
  - name: shop
    bindings: ["http://%s"]
    root: www
    default_documents: [index.html]
    applications:
      - path: /
      - path: /orders
        handlers:
          - path: "*"
            extension: legacy.dll
log: {file: isapid.log}
`, address))
	return file
}

// TestControl: the commands reach a server through its pipe, and change what it does.
func TestControl(t *testing.T) {
	m := newMachine(t)
	dir, address := t.TempDir(), served.Free(t)
	if err := os.Mkdir(filepath.Join(dir, "www"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := site(t, dir, address)
	served.Copy(t, version(t, "one"), filepath.Join(dir, "legacy.dll"))
	served.Copy(t, version(t, "two"), filepath.Join(dir, "two.dll"))
	url := "http://" + address

	m.run(dir, 7, `no isapid answers at \\.\pipe\isapid: is it running?`, "status")
	c := m.start(dir, "serve")
	c.shows("press Ctrl-C")
	if got := get(t, url+"/"); got != "200 a page" {
		t.Errorf("a file: %q", got)
	}
	if got := get(t, url+"/orders/1"); !strings.HasPrefix(got, "200 version one, ") {
		t.Errorf("the extension: %q", got)
	}
	m.run(dir, 0, "is serving", "status")
	m.run(dir, 0, `"state":"serving"`, "status", "--json")
	m.run(dir, 0, "", "requests")
	m.run(dir, 3, "", "status", "-c", "none.yaml")
	m.run(dir, 7, `at \\.\pipe\other`, "status", "--socket", `\\.\pipe\other`)

	m.run(dir, 0, "", "deploy", "legacy", "two.dll")
	if got := get(t, url+"/orders/1"); !strings.HasPrefix(got, "200 version two, ") {
		t.Errorf("after deploy: %q", got)
	}
	m.run(dir, 0, "", "rollback", "legacy")
	if got := get(t, url+"/orders/1"); !strings.HasPrefix(got, "200 version one, ") {
		t.Errorf("after rollback: %q", got)
	}
	m.run(dir, 0, `deploy by user `, "history", "LEGACY.DLL")
	m.run(dir, 0, "", "recycle", "default")

	if err := os.Rename(filepath.Join(dir, "isapid.log"), filepath.Join(dir, "old.log")); err != nil {
		t.Fatal(err)
	}
	m.run(dir, 0, "log files are opened again", "reopen")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	served.Write(t, file, strings.Replace(string(text), "root: www", "root: .", 1))
	m.run(dir, 0, `site "shop"`, "reload")
	if got := get(t, url+"/www/index.html"); got != "200 a page" {
		t.Errorf("after the reload: %q", got)
	}
	served.Write(t, file, string(text)+"wrong: x\n")
	m.run(dir, 3, "nothing has changed", "reload", "--socket", `\\.\pipe\isapid`)
	served.Write(t, file, string(text))
	log, err := os.ReadFile(filepath.Join(dir, "isapid.log"))
	if err != nil || !strings.Contains(string(log), "path=/v1/reload user=") {
		t.Errorf("the new log: %v\n%s", err, log)
	}

	served.Write(t, filepath.Join(dir, "second.yaml"), strings.Replace(string(text), address, served.Free(t), 1))
	m.run(dir, 6, `another isapid serves at \\.\pipe\isapid (pid `, "serve", "-c", "second.yaml")
	m.run(dir, 6, "in use", "run", "two.dll", "--addr", address)

	snoop := m.start(dir, "snoop")
	snoop.shows("watching")
	if got := get(t, url+"/orders/snooped"); !strings.HasPrefix(got, "200 ") {
		t.Errorf("while it is watched: %q", got)
	}
	snoop.shows("HttpExtensionProc")
	snoop.press("\x03")
	snoop.ends(0)
	top := m.start(dir, "top")
	top.shows("\x1b[?1049h") // Wine 8 draws the rest by pieces
	top.press("q")
	top.ends(0)

	m.run(dir, 0, "has ended", "drain")
	c.ends(0)
}

// TestExitCodes: those that need no server.
func TestExitCodes(t *testing.T) {
	m := newMachine(t)
	dir := t.TempDir()
	served.Write(t, filepath.Join(dir, "bad.yaml"), "sites: 7\n")
	served.Write(t, filepath.Join(dir, "text.dll"), "this is no DLL")
	served.Write(t, filepath.Join(dir, "hello.c"), "int main")
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{0, "windows/amd64", []string{"version"}},
		{2, "unknown command", []string{"fly"}},
		{3, "bad.yaml:1", []string{"check", "-c", "bad.yaml"}},
		{3, "bad.yaml:1", []string{"serve", "-c", "bad.yaml"}},
		{4, "nothing to run", []string{"run", "none.dll"}},
		{4, "text.dll", []string{"run", "text.dll", "--addr", "127.0.0.1:0"}},
		{5, "no C compiler", []string{"run", "hello.c", "--addr", "127.0.0.1:0"}},
		{1, `there is no service "shop"`, []string{"service", "start", "--name", "shop"}},
		{1, "cannot be the name of a service", []string{"service", "install", "--name", `a\b`, "-c", "good.yaml"}},
		{3, "bad.yaml:1", []string{"service", "install", "-c", "bad.yaml"}},
		{1, "only Windows starts the service", []string{"serve", "--service", "isapid", "-c", "bad.yaml"}},
	} {
		if c.args[0] == "service" {
			served.Write(t, filepath.Join(dir, "good.yaml"), "sites: [{name: a, root: ., bindings: ['http://127.0.0.1:0']}]\n")
		}
		m.run(dir, c.code, c.says, c.args...)
	}
}

// TestService: a service is installed, serves, is looked at, asked to reload, stopped and removed.
func TestService(t *testing.T) {
	m := newMachine(t)
	dir, address := t.TempDir(), served.Free(t)
	if err := os.Mkdir(filepath.Join(dir, "www"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := site(t, dir, address)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	served.Write(t, file, strings.Replace(string(text), "log: {file: isapid.log}", "", 1)) // it has a log of its own
	served.Copy(t, version(t, "one"), filepath.Join(dir, "legacy.dll"))
	url := "http://" + address

	m.run(dir, 1, `there is no service "isapid": "isapid service install" makes one`, "service", "status")
	m.run(dir, 0, `the service "isapid" is installed`, "service", "install")
	m.run(dir, 1, `there is a service "isapid" already`, "service", "install")
	m.run(dir, 0, `account  NT SERVICE\isapid`, "service", "status")
	m.run(dir, 0, `the service "isapid" serves (pid `, "service", "start")
	m.run(dir, 0, `the service "isapid" serves (pid `, "service", "start")
	m.run(dir, 0, "service isapid: running (pid ", "service", "status")
	if got := get(t, url+"/"); got != "200 a page" {
		t.Errorf("a file: %q", got)
	}
	if got := get(t, url+"/orders/1"); !strings.HasPrefix(got, "200 version one, ") {
		t.Errorf("the extension: %q", got)
	}
	m.run(dir, 0, "nothing differs", "reload")
	log, err := os.ReadFile(filepath.Join(m.prefix, "drive_c", "ProgramData", "isapid", "isapid.log"))
	if err != nil || !strings.Contains(string(log), "configuration is reloaded") {
		t.Errorf("the log of the service: %v\n%s", err, log)
	}

	// A request that runs is answered before the service stops.
	hold := filepath.Join(dir, "hold")
	served.Write(t, hold, "")
	answer := make(chan string, 1)
	go func() { answer <- get(t, url+"/orders/wait?"+inside(hold)) }()
	testwait.Until(t, "the request runs", func() bool { return exists(hold + ".begun") })
	m.run(dir, 0, "/orders/wait", "requests")
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		m.run(dir, 0, `the service "isapid" has ended`, "service", "stop")
	}()
	testwait.Until(t, "the service is stopping", func() bool { return strings.Contains(m.run(dir, 0, "", "service", "status"), "stopping") })
	if err := os.Remove(hold); err != nil {
		t.Fatal(err)
	}
	if got := <-answer; !strings.HasPrefix(got, "200 version one, ") {
		t.Errorf("the request that ran: %q", got)
	}
	<-stopped
	m.run(dir, 0, "service isapid: stopped\n", "service", "status")
	m.run(dir, 0, `the service "isapid" has ended`, "service", "stop")

	served.Write(t, file, string(text)+"wrong: x\n")
	m.run(dir, 1, "it ended with exit code 3", "service", "start")
	m.run(dir, 0, "service isapid: stopped (exit code 3)", "service", "status")
	m.run(dir, 0, `the service "isapid" is removed`, "service", "uninstall")
	m.run(dir, 1, "there is no service", "service", "uninstall")
}
