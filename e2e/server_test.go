package e2e

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/e2e/mix"
	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/front"
	"github.com/isapid/isapid/internal/testcert"
	"github.com/isapid/isapid/internal/testext"
)

// builds are the versions of the extension: builds[0] is in force at the start.
func builds(t *testing.T) (files [2]string) {
	t.Helper()
	return [2]string{testext.Fixture(t, "swapver", "-DVERSION=1"), testext.Fixture(t, "swapver", "-DVERSION=2")}
}

// dlls are builds for Windows, which run under Wine.
func dlls(t *testing.T) (files [2]string) {
	t.Helper()
	return [2]string{testext.DLL(t, "amd64", "swapver", "-DVERSION=1"), testext.DLL(t, "amd64", "swapver", "-DVERSION=2")}
}

// server is a front with a plain site and one with TLS, both of which have the same image: a copy of the first build.
type server struct {
	*front.Front
	control *front.Control
	files   [2]string // the builds
	image   string
	upload  string // where a test may put what is to be deployed
	cfg     *config.Config
	roots   *x509.CertPool
	lost    *losses
}

// start serves an extension for this system until the test ends. change may change the pool.
func start(t *testing.T, change func(*config.Pool)) *server {
	t.Helper()
	return serve(t, builds(t), config.Wine{}, change)
}

// startDLL serves an extension for Windows likewise, in a Wine of the test's own.
func startDLL(t *testing.T, change func(*config.Pool)) *server {
	t.Helper()
	wine := config.Wine{Prefix: filepath.Join(t.TempDir(), "prefix"), Workers: t.TempDir()}
	testext.OwnPrefix(t, "amd64", wine.Prefix)
	if err := os.Symlink(testext.Worker(t, "amd64"), filepath.Join(wine.Workers, "isapid-worker-amd64.exe")); err != nil {
		t.Fatal(err)
	}
	return serve(t, dlls(t), wine, change)
}

func serve(t *testing.T, files [2]string, wine config.Wine, change func(*config.Pool)) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{files: files, image: filepath.Join(dir, "proposal"+filepath.Ext(files[0])), upload: filepath.Join(t.TempDir(), "upload")}
	if err := copyFile(files[0], s.image); err != nil {
		t.Fatal(err)
	}
	s.cfg = config.Default()
	s.cfg.Wine = wine
	for i, name := range []string{"plain", "secure"} {
		site := config.DefaultSite(name, dir)
		site.ID = i + 1
		site.Bindings = []config.Binding{{Address: fmt.Sprintf("127.0.0.%d", i+1), TLS: name == "secure"}}
		site.Applications[0].Handlers = []config.Handler{{Path: "*", Extension: s.image}}
		s.cfg.Sites = append(s.cfg.Sites, site)
	}
	secure := &s.cfg.Sites[1]
	cert := testcert.New(t, t.TempDir())
	secure.Certificate, secure.Key, s.roots = cert.File, cert.Key, cert.Roots
	change(s.cfg.Pools[config.DefaultPoolName])
	s.lost = &losses{byID: map[string]string{}}
	f, err := front.New(s.cfg, slog.New(lostHandler{slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}), s.lost}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := served.Run(t, f); err != nil {
		t.Fatal(err)
	}
	s.Front, s.control = f, front.NewControl(f, "test", nil)
	return s
}

// crowd is a mix for the server.
func (s *server) crowd(t *testing.T) mix.Config {
	t.Helper()
	cfg := mix.Config{Roots: s.roots, Version: 1}
	for _, u := range s.URLs() {
		if strings.HasPrefix(u, "https:") {
			cfg.TLS = u
		} else {
			cfg.Plain = u
		}
	}
	return cfg
}

// copyFile puts a copy of a file under another name in one step.
func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to+".part", data, 0o755)
	}
	if err == nil {
		err = os.Rename(to+".part", to)
	}
	return err
}
