package config

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// folder makes a folder with what the test files name.
func folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"wwwroot", "other"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"a.so", "404.html", "cert.pem", "key.pem"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func parse(t *testing.T, dir, text string) *Config {
	t.Helper()
	c, err := Parse(filepath.Join(dir, "isapid.yaml"), []byte(text))
	if err != nil {
		t.Fatalf("Parse: %v\nof\n%s", err, text)
	}
	return c
}

func TestExampleHoldsTheDefaults(t *testing.T) {
	dir := folder(t)
	got := parse(t, dir, Example)
	want := Default()
	want.File = filepath.Join(dir, "isapid.yaml")
	site := DefaultSite("shop", filepath.Join(dir, "wwwroot"))
	site.Bindings = []Binding{}
	site.VirtualDirectories = []VirtualDirectory{}
	site.Applications[0].Handlers = []Handler{}
	site.Images.Allow = []string{}
	site.Filters, site.Applications[0].Filters, want.Filters = []string{}, []string{}, []string{}
	want.Images.Allow = []string{}
	want.Sites = []Site{site}
	for name, mode := range map[string]PoolMode{DefaultPoolName: ModeIsolated, "fast": ModeInProcess} {
		p := DefaultPool()
		p.Mode = mode
		want.Pools[name] = p
	}
	first := want.Pools[DefaultPoolName]
	first.Recycle.At, first.Orphan.Action, first.Idempotent = []ClockTime{}, []string{}, []string{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("example file:\n got %+v\nwant %+v", got, want)
	}
}

// The keys that the example shows in comments are read too, so that a renamed key cannot stay behind there.
func TestExampleComments(t *testing.T) {
	dir := folder(t)
	for _, f := range []string{"shop.pem", "shop.key", "asp.so", "orders.so", "shop", "shop.users", "ops.token"} {
		if err := os.WriteFile(filepath.Join(dir, f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text := Example
	for _, key := range []string{"certificate", "key", "- path", "  isapi", "  extension", "  methods", "  must_exist", "  path_info", "  static", "basic", "file", "images", "limits",
		"idle_timeout", "user", "group", "rlimits", "sandbox", "socket", "verify", "canary_time", "access", "listen", "tokens",
		"status_socket", "status_group", "otlp", "sample", "service_name"} {
		if !strings.Contains(text, "# "+key+":") {
			t.Errorf("the example has no comment for %q", key)
		}
		text = strings.ReplaceAll(text, "# "+key+":", key+":")
	}
	text = strings.Replace(text, "handlers: []", "handlers:", 1)
	text = strings.Replace(text, "# directory: ./wwwroot", "directory: ./wwwroot", 1) // that of the application would be an error
	text = strings.Replace(text, "canary: 0%", "canary: 10%", 1)                      // for canary_time
	if runtime.GOOS == "windows" {
		text = strings.NewReplacer("./control.sock", `'\\.\pipe\control'`, "./status.sock", `'\\.\pipe\status'`).Replace(text)
	}
	text = strings.Replace(text, "start: always", "start: on-demand", 1) // for idle_timeout
	c := parse(t, dir, text)
	if n := len(c.Sites[0].Applications[0].Handlers); n != 4 {
		t.Errorf("handlers: got %d, want 4", n)
	}
	if b := c.Sites[0].Applications[0].Authentication.Basic; b == nil || *b != (Basic{"shop", filepath.Join(dir, "shop.users")}) {
		t.Errorf("authentication of the example: got %+v", b)
	}
	if p := c.Pools[DefaultPoolName]; p.Directory == "" || p.User == "" || p.Group == "" || p.RLimits == (RLimits{}) || p.Sandbox == nil || p.Update.Verify == nil {
		t.Errorf("pool of the example: got %+v", p)
	}
}

// everything has every key with a value that is not its default.
const everything = `
sites:
  - name: one
    bindings: ["http://:8080", "https://Shop.Example:8443", "http://[::1]:81", "http://localhost"]
    certificate: cert.pem
    key: ./key.pem
    root: wwwroot
    mime: {.LOG: text/plain}
    error_pages:
      404: 404.html
      404.10: {path: /e.dll, mode: url}
      "500": {path: "https://status.example/", mode: redirect}
    virtual_directories: [{path: /img, directory: other}]
    applications:
      - path: /shop
        directory: other
        pool: fast
        handlers:
          - {path: "*.dll", isapi: true}
          - {path: "*.asp", extension: a.so, methods: [GET, POST], must_exist: true, path_info: true}
          - {path: /orders/*, extension: a.so}
          - {path: "*", static: true}
        filters: [./a.so]
        authentication: {anonymous: false, basic: {realm: "Shop: staff", users: 404.html}}
    filters: [b.so, cert.pem]
    client_certificates: request
    client_ca: cert.pem
    images: {allow: [other]}
    limits: {body: 8MiB, url: 100}
    log: {access: false}
  - name: two
    id: 7
    root: other
    static: false
    http2: false
filters: [key.pem]
limits: {query: 10, header_timeout: 0s}
images: {allow: [wwwroot]}
pools:
  fast: {mode: in-process, checks: on, threads: 1, stack: 8MiB, queue_wait: 0, read_ahead: 0, pending: 29m, flush: 5ms, on_fault: refuse, update: {mode: hold, window: 0, backups: 0}}
  strong:
    recycle:
      at: [03:00, "23:59:30"]
      requests: 10000
      after: 240h
      memory: 512MiB
      private_memory: 256MiB
      memory_growth: 50MB
      overlap: false
      on_config_change: false
    platform: native
    spare: 3
    isolation: per-extension
    workers: 4
    start: on-demand
    startup_limit: 10s
    shutdown_limit: 500ms
    idle_timeout: 5m
    request_timeout: 1h
    environment: {LANG: C.UTF-8, _EMPTY: '', PORT: "8080"}
    directory: other
    user: root
    group: "12"
    nice: -5
    rlimits: {files: 1024, processes: 200, address_space: 4GiB, cpu: 90500ms, core: unlimited, file_size: 0}
    memory_limit: 1GiB
    cpu_limit: 1.5
    no_new_privileges: false
    sandbox: {read: [wwwroot, a.so], write: [], bind: [8080]}
    health: {ping: 0s, timeout: 3s}
    crashes: {max: 0, window: 1h}
    orphan: {enabled: true, action: [./a.so, -p, "%pid%", "%pool%: %reason%"], max: 1}
    idempotent: [PUT, DELETE]
    checks: off
    update: {watch: false, mode: overlap, verify: {path: "/health?deep=1", status: 204, timeout: 500ms}, canary: 10%, canary_time: 2m, window: 5m, factor: 1.5, backups: 100}
    mode: isolated
  wary: {workers: 2, on_fault: isolate, mode: in-process, cpu_limit: 0.25, update: {canary: 0, verify: {path: /}}, sandbox: {connect: [5432]}, orphan: {action: [gcore]}}
log:
  level: debug
  file: a.log
  format: json
  levels: {pool: debug, http: error}
  access:
    format: w3c
    directory: other
    fields: [date, time, cs(X-Forwarded-For), sc(Content-Type), time-taken]
    software: Microsoft Internet Information Services 10.0
    rotate: {every: hour, size: 20MiB}
    keep: 14
control:
  socket: run/control.sock
  status_socket: run/status.sock
  status_group: "12"
  listen: "localhost:9443"
  certificate: cert.pem
  key: key.pem
  tokens: [{file: a.so, role: control, name: ops}, {file: 404.html}]
crashes: {directory: other, keep: 3}
tracing: {otlp: "https://otel.example:4318/", sample: 0.25, headers: {Authorization: Bearer x}, service_name: shop}
metrics: {histogram: [1ms, 1s]}
wine: {prefix: prefix, workers: other}
`

func TestEverything(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it has a user and sockets of Unix")
	}
	dir := folder(t)
	if err := os.WriteFile(filepath.Join(dir, "b.run"), nil, 0o600); err != nil { // in place of b.so
		t.Fatal(err)
	}
	c := parse(t, dir, everything)
	in := func(name string) string { return filepath.Join(dir, name) }
	limits := defaultLimits()
	limits.Query, limits.HeaderTimeout = 10, 0
	one := DefaultSite("one", in("wwwroot"))
	one.Bindings = []Binding{
		{Port: 8080},
		{TLS: true, Host: "shop.example", Port: 8443},
		{Address: "::1", Port: 81},
		{Address: "127.0.0.1", Port: 80},
	}
	one.Certificate, one.Key = in("cert.pem"), in("key.pem")
	one.MIME[".log"] = "text/plain"
	one.ErrorPages = map[string]ErrorPage{
		"404":    {ErrorFile, in("404.html")},
		"404.10": {ErrorURL, "/e.dll"},
		"500":    {ErrorRedirect, "https://status.example/"},
	}
	one.VirtualDirectories = []VirtualDirectory{{"/img", in("other")}}
	one.Applications = []Application{
		{Path: "/", Pool: "default"},
		{Path: "/shop", Directory: in("other"), Pool: "fast", Handlers: []Handler{
			{Path: "*.dll", ISAPI: true},
			{Path: "*.asp", Extension: in("a.so"), Methods: []string{"GET", "POST"}, MustExist: true, PathInfo: true},
			{Path: "/orders/*", Extension: in("a.so")},
			{Path: "*", Static: true},
		}, Filters: []string{in("a.so")}, Authentication: Authentication{Required: true, Basic: &Basic{"Shop: staff", in("404.html")}}},
	}
	one.Filters = []string{in("b.so"), in("cert.pem")}
	one.ClientCertificates, one.ClientCA = ClientRequest, in("cert.pem")
	one.Images.Allow = []string{in("other")}
	one.Limits, one.Log = limits, SiteLog{}
	one.Limits.Body, one.Limits.URL = 8<<20, 100
	two := DefaultSite("two", in("other"))
	two.ID, two.Static, two.HTTP2, two.Limits = 7, false, false, limits
	two.Images.Allow = []string{in("wwwroot")}
	fast := DefaultPool()
	fast.Mode, fast.Threads, fast.Stack, fast.QueueWait, fast.ReadAhead = ModeInProcess, 1, 8<<20, 0, 0
	fast.Pending, fast.Flush, fast.OnFault = 29*time.Minute, 5*time.Millisecond, FaultRefuse
	fast.Checks = ChecksOn
	fast.Update = Update{Watch: true, Mode: UpdateHold, CanaryTime: 30 * time.Second, Factor: 2}
	strong := &Pool{
		Mode: ModeIsolated, Threads: 25, Queue: 1000, QueueWait: 2 * time.Minute, ReadAhead: 48 << 10, Flush: 20 * time.Millisecond, OnFault: FaultKeep, Checks: ChecksOff,
		Isolation: PerExtension, Platform: PlatformNative, Spare: 3, Workers: 4, OnDemand: true,
		StartupLimit: 10 * time.Second, ShutdownLimit: 500 * time.Millisecond, IdleTimeout: 5 * time.Minute, RequestTimeout: time.Hour,
		Environment: map[string]string{"LANG": "C.UTF-8", "_EMPTY": "", "PORT": "8080"},
		Directory:   in("other"), User: "root", Group: "12", Nice: -5,
		RLimits:     RLimits{Files: to(1024), Processes: to(200), AddressSpace: to(4 << 30), CPU: to(91), Core: to(Unlimited), FileSize: to(0)},
		MemoryLimit: 1 << 30, CPULimit: 1500,
		Sandbox: &Sandbox{Read: []string{in("wwwroot"), in("a.so")}, Write: []string{}, Bind: []uint16{8080}},
		Health:  Health{Ping: 0, Timeout: 3 * time.Second},
		Recycle: Recycle{
			Requests: 10_000, After: 240 * time.Hour, At: []ClockTime{{3, 0, 0}, {23, 59, 30}},
			Memory: 512 << 20, PrivateMemory: 256 << 20, MemoryGrowth: 50_000_000,
		},
		Crashes:    Crashes{Max: 0, Window: time.Hour},
		Orphan:     Orphan{Enabled: true, Action: []string{in("a.so"), "-p", "%pid%", "%pool%: %reason%"}, Max: 1},
		Idempotent: []string{"PUT", "DELETE"},
		Update: Update{
			Mode: UpdateOverlap, Verify: &Verify{"/health?deep=1", 204, 500 * time.Millisecond},
			Canary: 10, CanaryTime: 2 * time.Minute, Window: 5 * time.Minute, Factor: 1.5, Backups: 100,
		},
	}
	wary := DefaultPool()
	wary.Mode, wary.OnFault, wary.Workers, wary.CPULimit = ModeInProcess, FaultIsolate, 2, 250
	wary.Update.Verify = &Verify{"/", 200, 10 * time.Second}
	wary.Sandbox, wary.Orphan.Action = &Sandbox{Connect: []uint16{5432}}, []string{"gcore"}
	want := &Config{
		File:    in("isapid.yaml"),
		Sites:   []Site{one, two},
		Pools:   map[string]*Pool{"default": DefaultPool(), "fast": fast, "strong": strong, "wary": wary},
		Filters: []string{in("key.pem")},
		Images:  Images{[]string{in("wwwroot")}},
		Limits:  limits,
		Log: Log{
			File: in("a.log"), Level: "debug", Format: LogJSON, Levels: map[string]string{"pool": "debug", "http": "error"},
			Access: &AccessLog{
				Format: AccessW3C, Directory: in("other"), Fields: []string{"date", "time", "cs(X-Forwarded-For)", "sc(Content-Type)", "time-taken"},
				Software: "Microsoft Internet Information Services 10.0", Rotate: Rotate{Hourly, 20 << 20}, Keep: 14,
			},
		},
		Control: Control{
			Socket: in("run/control.sock"), StatusSocket: in("run/status.sock"), StatusGroup: "12",
			Listen: "127.0.0.1:9443", Certificate: in("cert.pem"), Key: in("key.pem"),
			Tokens: []Token{{in("a.so"), "ops", RoleControl}, {in("404.html"), "404.html", RoleRead}},
		},
		Crashes: CrashFiles{in("other"), 3},
		Tracing: Tracing{"https://otel.example:4318", 0.25, map[string]string{"Authorization": "Bearer x"}, "shop"},
		Metrics: Metrics{[]time.Duration{time.Millisecond, time.Second}},
		Wine:    Wine{in("prefix"), in("other")},
	}
	for i := range want.Sites {
		if !reflect.DeepEqual(c.Sites[i], want.Sites[i]) {
			t.Errorf("site %d:\n got %+v\nwant %+v", i, c.Sites[i], want.Sites[i])
		}
	}
	for name, p := range want.Pools {
		if !reflect.DeepEqual(c.Pools[name], p) {
			t.Errorf("pool %q:\n got %+v\nwant %+v", name, c.Pools[name], p)
		}
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("\n got %+v\nwant %+v", c, want)
	}
}

func to(n uint64) *uint64 { return &n }

// An image may be missing as long as its run file is there.
func TestRunFileInsteadOfTheImage(t *testing.T) {
	dir := folder(t)
	for _, name := range []string{"b.run", "c.so.run"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"d.run", "other.run"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{"a.so": true, "b.so": true, "c.so": true, "d.so": false, "e.so": false, "other": false} {
		text := "sites: [{name: a, root: wwwroot, applications: [{path: /, handlers: [{path: '*', extension: " + name + "}]}]}]\n"
		if _, err := Parse(filepath.Join(dir, "isapid.yaml"), []byte(text)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEmptyFileIsTheDefault(t *testing.T) {
	dir := folder(t)
	want := Default()
	want.File = filepath.Join(dir, "isapid.yaml")
	for _, text := range []string{"", "# nothing\n", "---\n", "\ufeff", "sites:\n", "sites: []\npools:\n"} {
		c := parse(t, dir, text)
		if len(c.Sites) == 0 {
			c.Sites = nil
		}
		if !reflect.DeepEqual(c, want) {
			t.Errorf("%q: got %+v", text, c)
		}
	}
}

func TestLineEnds(t *testing.T) {
	dir := folder(t)
	c := parse(t, dir, "sites:\r\n  - name: a\r\n    root: wwwroot\r\n")
	if got, want := c.Sites[0].Root, filepath.Join(dir, "wwwroot"); got != want {
		t.Errorf("root: got %q, want %q", got, want)
	}
}

func TestLoad(t *testing.T) {
	dir := folder(t)
	file := filepath.Join(dir, "isapid.yaml")
	if err := os.WriteFile(file, []byte("sites: [{name: a, root: wwwroot}]"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil || c.File != file || len(c.Sites) != 1 {
		t.Fatalf("Load: %+v, %v", c, err)
	}
	t.Chdir(dir)
	if c, err = Load("isapid.yaml"); err != nil || c.File != file || c.Sites[0].Root != filepath.Join(dir, "wwwroot") {
		t.Errorf("Load of a relative name: %+v, %v", c, err)
	}
	if _, err = Load(filepath.Join(dir, "none.yaml")); err == nil || !os.IsNotExist(unwrap(err)) {
		t.Errorf("missing file: %v", err)
	}
	if _, err = Load(dir); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("folder: %v", err)
	}
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, make([]byte, maxFile+1), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err = Load(big); err == nil || !strings.Contains(err.Error(), "longer than 1 MiB") {
		t.Errorf("big file: %v", err)
	}
}

func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return err
}

func TestBindingString(t *testing.T) {
	for text, want := range map[string]string{
		"http://:8080":            "http://:8080",
		"http://*":                "http://:80",
		"https://Shop.Example":    "https://shop.example:443",
		"http://[::1]:81/":        "http://[::1]:81",
		"http://*.Shop.Example":   "http://*.shop.example:80",
		"http://127.0.0.1:0":      "http://127.0.0.1:0",
		"https://localhost:65535": "https://127.0.0.1:65535",
	} {
		b, err := parseBinding(text)
		if err != nil || b.String() != want {
			t.Errorf("parseBinding(%q) = %q, %v, want %q", text, b, err, want)
		}
	}
}
