package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// server is one of those compared: its processes and where it listens.
type server struct {
	name string
	addr string
	cmds []*exec.Cmd
	want string // the page

	socket string // its control socket, if it has one
	prefix string // of Wine, if it has one
}

const page = "<html><body>hello from GET /hello</body></html>\n"

// starter starts a server, which keeps what it needs in a folder.
type starter func(ctx context.Context, dir string) (*server, error)

func startAll(ctx context.Context, dir string, all []starter) (servers []*server, err error) {
	for _, start := range all {
		s, err := start(ctx, dir)
		if s != nil {
			servers = append(servers, s)
		}
		if err != nil {
			return servers, err
		}
		if err := s.ready(); err != nil {
			return servers, err
		}
	}
	return servers, nil
}

// stopAll asks every process to end; one that does not within 5 s is killed.
func stopAll(servers []*server) {
	for _, s := range servers {
		for _, c := range s.cmds {
			_ = c.Process.Signal(syscall.SIGTERM)
		}
	}
	for _, s := range servers {
		for _, c := range s.cmds {
			kill := time.AfterFunc(5*time.Second, func() { _ = c.Process.Kill() })
			_ = c.Wait()
			kill.Stop()
		}
	}
}

func bare(ctx context.Context, dir string) (*server, error) {
	s := &server{name: "bare net/http", addr: freeAddr(), want: page}
	bin := filepath.Join(dir, "bare")
	if err := sh(ctx, "go", "build", "-o", bin, "./bench/servers/bare"); err != nil {
		return nil, err
	}
	return s, s.start(bin, "-addr", s.addr)
}

// library compiles an extension of testdata/ext.
func library(ctx context.Context, dir, name string) (string, error) {
	lib := filepath.Join(dir, name+".so")
	return lib, sh(ctx, "gcc", "-std=gnu99", "-O2", "-fPIC", "-shared", "-Isdk/c", "-o", lib, "testdata/ext/"+name+".c")
}

func mounted(ctx context.Context, dir string) (*server, error) {
	s := &server{name: "isapid.Open in net/http", addr: freeAddr(), want: page}
	lib, err := library(ctx, dir, "hello")
	if err != nil {
		return nil, err
	}
	bin := filepath.Join(dir, "mounted")
	if err := sh(ctx, "go", "build", "-o", bin, "./bench/servers/mounted"); err != nil {
		return nil, err
	}
	return s, s.start(bin, "-addr", s.addr, "-image", lib)
}

func inProcess(ctx context.Context, dir string) (*server, error) {
	return isapid(ctx, dir, "in-process")
}

func isolated(ctx context.Context, dir string) (*server, error) { return isapid(ctx, dir, "isolated") }

// isapid serves hello.so of dir, and bulk.so if it is there.
func isapid(ctx context.Context, dir, mode string) (*server, error) {
	s := &server{name: "isapid serve, " + mode, addr: freeAddr(), want: page}
	if !exists(filepath.Join(dir, "hello.so")) {
		if _, err := library(ctx, dir, "hello"); err != nil {
			return nil, err
		}
	}
	bin := filepath.Join(dir, "isapid")
	if err := sh(ctx, "go", "build", "-o", bin, "./cmd/isapid"); err != nil {
		return nil, err
	}
	more := ""
	if lib := filepath.Join(dir, "bulk.so"); exists(lib) {
		more = "\n          - path: /bulk/*\n            extension: " + lib
	}
	config := fmt.Sprintf(`sites:
  - name: bench
    bindings: ["http://%[1]s"]
    root: %[2]s
    applications:
      - path: /
        handlers:
          - path: /hello/*
            extension: %[2]s/hello.so%[4]s
pools: {default: {mode: %[3]s}}
limits: {body: 0}
control: {socket: ""}
`, s.addr, dir, mode, more)
	file := filepath.Join(dir, mode+".yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return s, s.start(bin, "serve", "-c", file)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

const nginxConf = `daemon off; user root; worker_processes 1; pid %[1]s/%[2]s.pid; error_log %[1]s/%[2]s.log;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; default_type text/html; sendfile on;
  client_body_temp_path %[1]s/%[2]s-1; proxy_temp_path %[1]s/%[2]s-2; fastcgi_temp_path %[1]s/%[2]s-3; uwsgi_temp_path %[1]s/%[2]s-4; scgi_temp_path %[1]s/%[2]s-5;
  upstream hello { server unix:%[1]s/fcgi.sock; keepalive 64; }
  server { listen %[3]s; location / { %[4]s } }
}
`

func nginx(_ context.Context, dir string) (*server, error) {
	s := &server{name: "nginx return", addr: freeAddr(), want: page}
	return s, s.nginx(dir, "return", fmt.Sprintf("return 200 %q;", strings.TrimSuffix(page, "\n")+"\n"))
}

func nginxFastCGI(ctx context.Context, dir string) (*server, error) {
	s := &server{name: "nginx + FastCGI", addr: freeAddr(), want: page}
	bin := filepath.Join(dir, "fcgi")
	if err := sh(ctx, "gcc", "-O2", "-o", bin, "bench/servers/fcgi/hello.c", "-lfcgi", "-lpthread"); err != nil {
		return nil, err
	}
	if err := s.start(bin, filepath.Join(dir, "fcgi.sock")); err != nil {
		return s, err
	}
	for i := 0; i < 200; i++ { // the socket must be there before nginx is asked
		if _, err := os.Stat(filepath.Join(dir, "fcgi.sock")); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return s, s.nginx(dir, "fastcgi", `fastcgi_pass hello; fastcgi_keep_conn on; fastcgi_param REQUEST_METHOD $request_method; fastcgi_param SCRIPT_NAME $uri;`)
}

func (s *server) nginx(dir, name, location string) error {
	file := filepath.Join(dir, name+".conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, nginxConf, dir, name, s.addr, location), 0o600); err != nil {
		return err
	}
	return s.start("nginx", "-p", dir, "-c", file, "-e", filepath.Join(dir, name+".log"))
}

const apacheConf = `ServerRoot %[1]s
ServerName bench
Listen %[2]s
PidFile %[1]s/apache.pid
ErrorLog %[1]s/apache.log
DefaultRuntimeDir %[1]s
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule hello_module %[1]s/mod_hello.so
User nobody
Group nogroup
StartServers 1
ServerLimit 4
ThreadsPerChild 64
MaxRequestWorkers 256
KeepAlive On
MaxKeepAliveRequests 0
<Location />
  SetHandler hello
</Location>
`

func apache(ctx context.Context, dir string) (*server, error) {
	s := &server{name: "Apache C module", addr: freeAddr(), want: page}
	if err := sh(ctx, "sh", "-c", fmt.Sprintf("gcc -O2 -fPIC -shared -o %s/mod_hello.so bench/servers/apache/mod_hello.c $(apxs2 -q CFLAGS | tr ' ' '\\n' | grep -E '^-(D|pthread)') -I$(apxs2 -q INCLUDEDIR) $(apr-1-config --includes --cppflags)", dir)); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "apache.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, apacheConf, dir, s.addr), 0o600); err != nil {
		return nil, err
	}
	return s, s.start("apache2", "-D", "FOREGROUND", "-f", file)
}

func (s *server) start(name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	s.cmds = append(s.cmds, c)
	return nil
}

// ready waits until the server answers with the page.
func (s *server) ready() error {
	var last error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		res, err := http.Get("http://" + s.addr + "/hello")
		if err != nil {
			last = err
			continue
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if string(b) == s.want {
			return nil
		}
		return fmt.Errorf("%s answers %s with %q, want %q", s.name, res.Status, b, s.want)
	}
	return fmt.Errorf("%s does not answer: %w", s.name, last)
}

func freeAddr() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer l.Close()
	return l.Addr().String()
}

func sh(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
