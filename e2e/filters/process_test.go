package filters

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/passwd"
)

func insecure() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// workers are the ids of the worker processes of this one.
func (s *server) workers(t *testing.T) (pids []int) {
	t.Helper()
	children, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(children) == 0 {
		t.Skip("this system does not tell of child processes")
	}
	for _, file := range children {
		list, _ := os.ReadFile(file) // of a thread that has ended meanwhile
		for _, pid := range strings.Fields(string(list)) {
			n, err := strconv.Atoi(pid)
			if err != nil {
				t.Fatal(err)
			}
			if command, _ := os.ReadFile("/proc/" + pid + "/cmdline"); strings.Contains(string(command), "\x00worker\x00") {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// processes are this one and its workers.
func (s *server) processes(t *testing.T) []int {
	t.Helper()
	debug.FreeOSMemory() // or what the collector has yet to give back counts
	return append(s.workers(t), os.Getpid())
}

// resident is the memory of a process, in bytes.
func resident(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		t.Skip(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// renamedConnector is the connector under the name connector.so.
func renamedConnector(t *testing.T, mode config.PoolMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "connector"+ending(mode))
	served.Copy(t, library(t, mode, "filter_connector"), file)
	return file
}

func variables(t *testing.T, mode config.PoolMode) string {
	t.Helper()
	return library(t, mode, "variables")
}

// users is a password file with alice, whose password is wonderland.
func users(t *testing.T) string {
	t.Helper()
	entry, err := aliceEntry()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "users")
	served.Write(t, file, entry+"\n")
	return file
}

var aliceEntry = sync.OnceValues(func() (string, error) { return passwd.Entry("alice", "wonderland", passwd.Bcrypt) })
