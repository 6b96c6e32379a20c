package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// compareWine compares one page by the same source: a library of Linux inside the server and in a worker, a library of Windows in a
// worker under Wine, and bare net/http.
func compareWine(ctx context.Context, rounds, seconds int, connections string, markdown bool) error {
	return run(ctx, []starter{bare, inProcess, isolated, wine64}, rounds, seconds, connections, markdown)
}

// wine64 serves hello.dll of dir with a prefix of its own, whose server counts, too.
func wine64(ctx context.Context, dir string) (*server, error) {
	s := &server{name: "isapid serve, Wine", addr: freeAddr(), want: page, prefix: filepath.Join(dir, "prefix")}
	err := sh(ctx, "x86_64-w64-mingw32-gcc", "-std=gnu99", "-O2", "-shared", "-static", "-Isdk/c", "-o", filepath.Join(dir, "hello.dll"), "testdata/ext/hello.c")
	if err != nil {
		return nil, err
	}
	worker := filepath.Join(dir, "isapid-worker-amd64.exe")
	if err := sh(ctx, "env", "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0", "go", "build", "-o", worker, "./cmd/isapid-worker"); err != nil {
		return nil, err
	}
	bin := filepath.Join(dir, "isapid")
	if err := sh(ctx, "go", "build", "-o", bin, "./cmd/isapid"); err != nil {
		return nil, err
	}
	if err := sh(ctx, bin, "wine", "prepare", "--prefix", s.prefix, "--arch", "amd64"); err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`sites:
  - name: bench
    bindings: ["http://%[1]s"]
    root: %[2]s
    applications:
      - path: /
        handlers:
          - path: /hello/*
            extension: %[2]s/hello.dll
control: {socket: ""}
wine: {prefix: %[3]s, workers: %[2]s}
`, s.addr, dir, s.prefix)
	file := filepath.Join(dir, "wine.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return s, s.start(bin, "serve", "-c", file)
}

// ofPrefix says whether a process runs in the server's prefix: those of Wine itself are nobody's children.
func (s *server) ofPrefix(pid string) bool {
	if s.prefix == "" {
		return false
	}
	env, _ := os.ReadFile(filepath.Join("/proc", pid, "environ"))
	return bytes.Contains(append([]byte{0}, env...), []byte("\x00WINEPREFIX="+s.prefix+"\x00"))
}
