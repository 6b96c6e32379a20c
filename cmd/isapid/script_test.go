package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/isapid/isapid/internal/testext"
)

// TestMain makes the test binary isapid, and fetch, when it is called by that name.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" { // by /proc/self/exe, which does not say that it is isapid
		main()
	}
	time.Local = time.UTC // tests compare times as they are printed
	testscript.Main(m, map[string]func(){
		"isapid": main,
		"fetch":  func() { os.Exit(fetch(os.Args[1:])) },
	})
}

// TestScripts runs the stories in testdata/script. Besides testscript's own commands they have:
//
//	exits CODE PROGRAM ARG...   run it and compare the exit code
//	start ARG...                start isapid in the background, wait until it serves, set URL (and URL2 …) and ADDR
//	await stderr TEXT           wait until the started isapid has said that
//	await file NAME             wait until the file is there
//	signal NAME                 send HUP, INT or TERM to the started isapid
//	ends CODE                   wait for the end of the started isapid, compare the exit code, write isapid.out and isapid.err
//	snoop ARG...                start isapid snoop in the background and wait until it listens
//	snooped [-sorted] FILE RE...
//	                            wait until it has said all that, end it by Ctrl-C, write what it said to FILE, the same in each run
//	fetch URL [BODY]            print status and body of the answer to a GET, or a POST with BODY
//
// They are for systems with a C compiler, signals and sockets that are files; e2e/windows has what is done there.
func TestScripts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stories are about Unix; see e2e/windows")
	}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "", // the golden files in them
		Setup: func(env *testscript.Env) error {
			env.Values[slotKey{}] = &slot{}
			env.Setenv("GORACE", "atexit_sleep_ms=10") // instead of a second for each program that ends
			env.Setenv("EXAMPLES", filepath.Join(testext.Root(t), "examples"))
			env.Setenv("SDK", filepath.Join(testext.Root(t), "sdk", "c"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"start":  startServer,
			"await":  await,
			"signal": signalServer,
			"ends":   endServer,

			"snoop":   startSnoop,
			"snooped": endSnoop,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%s: %v", args[1], err)
	}
	if code != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), code, want)
	}
}

// fetch is a small HTTP client for the scripts.
func fetch(args []string) int {
	var resp *http.Response
	var err error
	switch len(args) {
	case 1:
		resp, err = http.Get(args[0])
	case 2:
		resp, err = http.Post(args[0], "text/plain", strings.NewReader(args[1]))
	default:
		err = errors.New("usage: fetch URL [BODY]")
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "fetch: %v\n", err)
		return 1
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		fmt.Fprintf(os.Stderr, "fetch: %v\n", err)
		return 1
	}
	return 0
}
