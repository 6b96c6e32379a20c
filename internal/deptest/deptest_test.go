// Package deptest holds the layers of the module together: a test asks the go command who imports whom.
package deptest

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/isapid/isapid"

// layers says, for each package, which packages of the module it may import, with the reason where it is not plain. A new
// package needs a line here before anybody can import it or it can import anything.
var layers = map[string][]string{
	".":                 {"executor", "extension"},                                                                                                                                                                  // the public face
	"cmd/isapid":        {"admin", "config", "executor", "extension", "front", "hub", "image", "obituary", "passwd", "pool", "swap", "systemd", "tape", "toolchain", "trace", "update", "wine", "winsvc", "worker"}, // describe loads one extension
	"cmd/isapid-worker": {"executor", "wire", "worker"},                                                                                                                                                             // the worker alone, for other kinds of it than the front is
	"hack/...":          {},
	"hack/wineexec":     {"proc", "testext/build", "wine"}, // builds libraries for test binaries that run under Wine
	"sdk":               {},                                // the headers and units, embedded
	"sdk/...":           {},                                // each travels alone
	"examples/...":      {".", "sdk/go"},
	"bench/...":         {".", "executor"},       // load generators and the servers compared with
	"loader":            {"image", "update"},     // an extension for any host, not a part of the program
	"e2e":               {},                      // tests of whole servers; they may import what they like
	"e2e/mix":           {},                      // clients: know nothing of the server
	"e2e/served":        {"testlog", "testwait"}, // starts and ends them
	"e2e/metrics":       {},                      // a real Prometheus
	"e2e/logs":          {},                      // a real GoAccess
	"e2e/replay":        {},                      // the commands, as users have them
	"e2e/filters":       {},                      // tests of whole servers, as e2e
	"e2e/windows":       {},                      // isapid.exe, under Wine
	"e2e/wine":          {},                      // likewise, with libraries of Windows

	"front":     {"accesslog", "admin", "config", "conn", "executor", "extension", "filter", "gate", "hub", "image", "inprocess", "isapi", "metrics", "obituary", "pool", "proc", "remote", "server", "site", "spans", "swap", "tally", "tape", "trace", "wine", "wire"}, // the front process, wired together
	"server":    {"conn"},                                                                                                                                                                                                                                                // HTTP; knows sites as handlers only, and no processes
	"pool":      {"executor", "gate", "obituary", "proc", "remote", "tally", "trace"},                                                                                                                                                                                    // which workers there are; one of them is remote
	"admin":     {"hub", "pool", "swap", "trace", "underwine"},                                                                                                                                                                                                           // what the commands ask a running server; the server itself is an interface there
	"site":      {"config", "conn", "executor", "passwd"},                                                                                                                                                                                                                // the URL space; runs nothing itself
	"remote":    {"conn", "executor", "files", "image", "proc", "trace", "wire"},                                                                                                                                                                                         // one worker process, as the front sees it
	"worker":    {"conn", "executor", "extension", "filter", "native", "proc/sandbox", "trace", "underwine", "winpath", "wire"},                                                                                                                                          // the worker process
	"wire":      {"executor", "trace"},                                                                                                                                                                                                                                   // the protocol between them
	"inprocess": {"executor", "extension", "filter", "gate", "native", "tally", "trace"},                                                                                                                                                                                 // an image in this process that can be replaced
	"extension": {"ansi", "conn", "executor", "filter", "identity", "image", "isapi", "misuse", "native", "reply", "taps", "trace", "variables"},                                                                                                                         // one request through one loaded image
	"filter":    {"ansi", "conn", "executor", "identity", "isapi", "misuse", "native", "reply", "taps", "trace", "variables"},                                                                                                                                            // a request through the filters
	"taps":      {"isapi", "native", "trace"},                                                                                                                                                                                                                            // what both have to look at when they are listened to
	"reply":     {"conn", "executor", "isapi", "misuse"},                                                                                                                                                                                                                 // what an image sends, made one response
	"variables": {"ansi", "executor", "isapi", "native"},                                                                                                                                                                                                                 // what it may ask of a request
	"misuse":    {"executor", "isapi", "native", "trace"},                                                                                                                                                                                                                // what images do and must not
	"native":    {"isapi", "trace", "underwine"},                                                                                                                                                                                                                         // the only crossing into C
	"toolchain": {"sdk"},
	"image":     {"files"},
	"wine":      {"image", "proc"},                                       // the Wine of this machine and its prefixes
	"tally":     {"executor"},                                            // what requests show of a version
	"swap":      {"executor", "image", "update"},                         // one version of an image replaces another
	"update":    {"files", "image"},                                      // the files beside an image, by which it is replaced
	"tape":      {"trace"},                                               // recorded requests
	"obituary":  {"executor", "files", "trace"},                          // files about deaths
	"spans":     {"executor"},                                            // spans of requests, for a collector
	"metrics":   {"admin", "executor", "isapi", "pool", "swap", "trace"}, // what is counted, for Prometheus
	"hub":       {"remote", "trace"},                                     // who listens to which calls
	"trace":     {"isapi"},                                               // what can be seen of the calls of images
	"executor":  {"trace"},                                               // the words that site and the executors share
	"conn":      {},
	"proc":      {},                  // one child process; knows nothing of what it runs
	"config":    {},                  // plain data
	"accesslog": {"config", "files"}, // lines about requests
	"passwd":    {"files"},           // password files
	"ansi":      {},                  // texts as 8-bit functions of Windows have them
	"identity":  {},                  // tokens of Windows
	"gate":      {},                  // a door that counts who is inside
	"underwine": {},                  // whether this Windows is Wine
	"winpath":   {},                  // paths as Wine has them
	"isapi":     {},                  // the ABI in pure Go
	"winsvc":    {},                  // a service of Windows
	"systemd":   {},                  // what the service manager hands over and wants to know
	"deptest":   {},

	"files":        {"underwine"}, // what files need on Windows to behave as on Unix
	"proc/sandbox": {},            // what a worker takes from itself

	"native/filtertest":     {"isapi", "native"},                                                                                            // for tests, as testext
	"executor/executortest": {"ansi", "executor", "isapi", "server", "testext", "testlog", "testwait", "toolchain", "underwine", "winpath"}, // for tests, as testext
	"executor/replacetest":  {"executor", "filter", "testext", "testwait"},                                                                  // likewise
	"testext":               {"testext/build", "toolchain", "wine"},
	"testext/build":         {"sdk", "toolchain"}, // used by hack/wineexec too
	"testcert":              {},
	"testlog":               {},
	"testwait":              {},
	"update/updatetest":     {"testext"}, // likewise
	"trace/tracetest":       {"trace"},   // likewise
}

func TestLayers(t *testing.T) {
	seen := map[string]bool{}
	for pkg, imports := range imports(t) {
		rule := ruleFor(pkg)
		seen[rule] = true
		allowed, ok := layers[rule]
		if !ok {
			t.Errorf("package %q has no line in the layers of internal/deptest: say there what it may import", pkg)
			continue
		}
		for _, i := range imports {
			if !slices.Contains(allowed, i) {
				t.Errorf("package %q imports %q, but may only import %q of this module", pkg, i, allowed)
			}
		}
		for _, i := range allowed {
			if pkg == rule && !slices.Contains(imports, i) {
				t.Errorf("package %q may import %q and does not: take that out of its line", pkg, i)
			}
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(layers)) {
		if !seen[rule] {
			t.Errorf("layers has a line for %q, but there is no such package", rule)
		}
	}
}

// TestOneCrossing: in the program only package native contains C. The SDK for Go, extensions written with it, and the loader, which is
// an extension that calls others, are other programs.
func TestOneCrossing(t *testing.T) {
	for _, line := range goList(t, "linux", `{{if .CgoFiles}}{{.ImportPath}}{{end}}`) {
		pkg := short(line[0])
		if pkg != "native" && !strings.HasPrefix(pkg, "sdk/go") && pkg != "loader" && !strings.HasPrefix(pkg, "examples/") {
			t.Errorf("package %q has import \"C\"; package native is the only crossing into C", pkg)
		}
	}
}

// ruleFor is the line of the table for a package: its own or that of a folder above it.
func ruleFor(pkg string) string {
	if _, ok := layers[pkg]; ok {
		return pkg
	}
	for rule := range layers {
		if folder, ok := strings.CutSuffix(rule, "..."); ok && strings.HasPrefix(pkg+"/", folder) {
			return rule
		}
	}
	return pkg
}

// imports is what every package of the module imports of the module, on every system, without its tests.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, system := range []string{"linux", "windows"} {
		for _, paths := range goList(t, system, `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`) {
			pkg := short(paths[0])
			for _, p := range paths[1:] {
				if strings.HasPrefix(p+"/", module+"/") && !slices.Contains(all[pkg], short(p)) {
					all[pkg] = append(all[pkg], short(p))
				}
			}
			if all[pkg] == nil {
				all[pkg] = []string{}
			}
		}
	}
	if len(all) < 5 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	return all
}

// goList is what the go command says of every package of the module, in fields; empty lines are left out.
func goList(t *testing.T, system, format string) (lines [][]string) {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-f", format, module+"/...")
	cmd.Env = append(cmd.Environ(), "GOOS="+system, "CGO_ENABLED=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list for %s: %v", system, err)
	}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) > 0 {
			lines = append(lines, fields)
		}
	}
	return lines
}

// short is the path of a package inside the module, without "internal/".
func short(path string) string {
	path = strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
	if path == "" {
		return "."
	}
	return strings.TrimPrefix(path, "internal/")
}
