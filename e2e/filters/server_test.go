package filters

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/front"
	"github.com/isapid/isapid/internal/testcert"
	"github.com/isapid/isapid/internal/testlog"
	"github.com/isapid/isapid/internal/testwait"
)

// modes are the ways in which filters run.
var modes = []config.PoolMode{config.ModeInProcess, config.ModeIsolated}

// each runs a test in both modes.
func each(t *testing.T, test func(t *testing.T, mode config.PoolMode)) {
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) { test(t, mode) })
	}
}

// everywhere runs a test in both modes, and with DLLs.
func everywhere(t *testing.T, test func(t *testing.T, mode config.PoolMode)) {
	each(t, test)
	t.Run(string(underWine), func(t *testing.T) { test(t, underWine) })
}

// fixture is a filter of testdata/ext and how it is built.
type fixture struct {
	name  string
	flags []string
}

// named is the tracing filter under a name of its own.
func named(name string, flags ...string) fixture {
	return fixture{"filter_trace", append([]string{fmt.Sprintf("-DNAME=%q", name)}, flags...)}
}

func built(name string, flags ...string) fixture { return fixture{name, flags} }

// layout is what a server is to be made of. Filters are libraries.
type layout struct {
	mode         config.PoolMode
	global       []string
	site         []string
	app          []string
	handlers     string   // more handlers of the application "/", in YAML: {path: /x/*, extension: ./x.so}
	lines        []string // more lines of the application "/", as "authentication: {…}"
	applications []string // more of them, in flow style: {path: /x, …}
	pool         string   // more of the pool, in flow style: "threads: 1"
	tls          bool     // the binding is one of https
	clients      string   // client_certificates, if any; those the server's own key has signed are good
	images       []string // libraries, copied to images/NAME below the root's parent, for handlers
}

var configuration = template.Must(template.New("").Funcs(template.FuncMap{"list": list}).Parse(`
filters: {{list .L.global}}
log: {access_file: {{.Dir}}/access.log}
sites:
  - name: test
    root: {{.Dir}}/root
    bindings: ["{{.Scheme}}://127.0.0.1:0"]
{{if .Cert}}    certificate: {{.Cert}}
    key: {{.Key}}
{{end}}{{if .L.clients}}    client_certificates: {{.L.clients}}
    client_ca: {{.Cert}}
{{end}}    filters: {{list .L.site}}
    applications:
      - path: /
        filters: {{list .L.app}}
{{range .L.lines}}        {{.}}
{{end}}        handlers: [{{.L.handlers}}]
{{range .L.applications}}      - {{.}}
{{end}}
pools:
  default: {mode: {{.L.mode}}{{if .L.pool}}, {{.L.pool}}{{end}}}
{{.Wine}}`))

func list(files []string) string {
	text, err := json.Marshal(slices.Concat([]string{}, files))
	if err != nil {
		panic(err)
	}
	return string(text)
}

// server is a running one.
type server struct {
	t       testing.TB
	mode    config.PoolMode
	front   *front.Front
	control *front.Control
	dir     string // with root, images, access.log
	url     string
	addr    string
	log     *testlog.Buffer
	stop    func()

	certificate *testcert.Certificate // with TLS
}

// yaml makes the folder of a server with what its site has, and its configuration.
func (l layout) yaml(t testing.TB) (dir string, text []byte, cert *testcert.Certificate) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range map[string]string{
		"root/page.txt": "hello\n", "root/default.htm": "<p>welcome\n", "root/folder/default.htm": "<p>folder\n", "root/empty/x.unknown": "x",
		"root/other.txt": "other\n", "root/long.txt": strings.Repeat("0123456789abcdef", 20000), "root/secret/page.txt": "secret\n",
	} {
		served.Write(t, filepath.Join(dir, name), content)
	}
	images := regexp.MustCompile(`(DIR/images/\w+)\.so`).ReplaceAllString(l.handlers, "$1"+ending(l.mode))
	data := map[string]any{"Dir": dir, "Scheme": "http", "L": map[string]any{
		"global": l.global, "site": l.site, "app": l.app, "lines": l.lines, "handlers": strings.ReplaceAll(images, "DIR", dir),
		"applications": l.applications, "mode": l.mode, "pool": l.pool, "clients": l.clients,
	}, "Cert": "", "Key": "", "Wine": ""}
	if l.mode == underWine {
		data["Wine"] = wineConfiguration(t)
		data["L"].(map[string]any)["mode"] = config.ModeIsolated
		data["L"].(map[string]any)["pool"] = strings.TrimPrefix(l.pool+", spare: 0", ", ") // nothing is swapped here
	}
	for _, image := range l.images {
		served.Copy(t, image, filepath.Join(dir, "images", filepath.Base(image)))
	}
	if l.tls {
		data["Scheme"] = "https"
		cert = testcert.New(t, dir)
		data["Cert"], data["Key"] = cert.File, cert.Key
	}
	var b bytes.Buffer
	if err := configuration.Execute(&b, data); err != nil {
		t.Fatal(err)
	}
	return dir, b.Bytes(), cert
}

// start serves until the test ends. Filters find the file that trace reads in their environment.
func start(t testing.TB, l layout) *server {
	t.Helper()
	s, err := try(t, l)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// try is start for what may be refused.
func try(t testing.TB, l layout) (*server, error) {
	t.Helper()
	dir, text, cert := l.yaml(t)
	t.Setenv("FILTER_TRACE", filepath.Join(dir, "trace"))
	file := filepath.Join(dir, "isapid.yaml")
	served.Write(t, file, string(text))
	cfg, err := config.Load(file)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	s := &server{t: t, mode: l.mode, dir: dir, log: &testlog.Buffer{}, certificate: cert}
	f, err := front.New(cfg, slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		return nil, err
	}
	if s.stop, err = served.Run(t, f); err != nil {
		return nil, err
	}
	s.front, s.control = f, front.NewControl(f, "test", nil)
	s.url = strings.TrimSuffix(f.URLs()[0], "/")
	_, s.addr, _ = strings.Cut(s.url, "://")
	t.Cleanup(func() {
		s.stop() // or the end of the log were missing
		if t.Failed() {
			t.Logf("log of the server:\n%s\ntrace:\n%s", s.log, s.read("trace"))
		}
	})
	return s, nil
}

// filters compiles fixtures and puts each into a file of its own, which a test may replace.
func filters(t testing.TB, mode config.PoolMode, list ...fixture) (files []string) {
	t.Helper()
	dir := t.TempDir()
	for i, f := range list {
		file := filepath.Join(dir, fmt.Sprintf("%s_%d%s", f.name, i+1, ending(mode)))
		served.Copy(t, library(t, mode, f.name, f.flags...), file)
		files = append(files, file)
	}
	return files
}

// read is a file of the server's folder, "" if it is not there.
func (s *server) read(name string) string {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	return string(data)
}

// trace is what filters wrote so far, with ROOT for the folder of the site.
func (s *server) trace() []string {
	s.t.Helper()
	text := s.read("trace")
	if s.mode == underWine {
		text = unixPaths(text, s.dir)
	}
	text = strings.ReplaceAll(text, filepath.Join(s.dir, "root"), "ROOT")
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}

// untilTrace waits until n lines of the trace hold a text, and answers all of it.
func (s *server) untilTrace(text string, n int) []string {
	s.t.Helper()
	var lines []string
	testwait.Until(s.t, fmt.Sprintf("%d × %q in the trace", n, text), func() bool {
		lines = s.trace()
		found := 0
		for _, line := range lines {
			if strings.Contains(line, text) {
				found++
			}
		}
		return found >= n
	})
	return lines
}

// accessLog is the lines of the access log, when there are n.
func (s *server) accessLog(n int) (lines []map[string]any) {
	s.t.Helper()
	testwait.Until(s.t, fmt.Sprintf("%d lines in the access log", n), func() bool {
		return strings.Count(s.read("access.log"), "\n") >= n
	})
	for line := range strings.Lines(s.read("access.log")) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			s.t.Fatalf("access log: %v: %s", err, line)
		}
		lines = append(lines, one)
	}
	return lines
}

// of is the server as a subtest of the one that started it uses it.
func (s *server) of(t *testing.T) *server {
	same := *s
	same.t = t
	return &same
}
