package site

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
)

func TestRuns(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"root/a.so", "root/a.dll", "img/b.so", "other/c.so", "fixed.so"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := config.Default()
	c.Sites = []config.Site{config.DefaultSite("s", filepath.Join(dir, "root"))}
	conf := &c.Sites[0]
	conf.VirtualDirectories = []config.VirtualDirectory{{Path: "/img", Directory: filepath.Join(dir, "img")}}
	conf.Applications = append(conf.Applications, config.Application{Path: "/shop", Pool: config.DefaultPoolName})
	conf.Applications[0].Handlers = []config.Handler{
		{Path: "*.so", ISAPI: true}, {Path: "*.run", ISAPI: true}, {Path: "*", Extension: filepath.Join(dir, "fixed.so")},
	}
	runs := func(application, image string) bool {
		t.Helper()
		s, err := New(c, conf, func(string, *executor.App) (executor.Executor, error) { return nil, executor.ErrClosed }, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s.Runs(application, filepath.Join(dir, image))
	}
	for image, want := range map[string]bool{
		"root/a.so": true, "root/a.dll": false, "img/b.so": true, "other/c.so": false, "fixed.so": true, "root/missing.so": true, "root/a.run": false,
	} {
		if got := runs("/", image); got != want {
			t.Errorf("%s: %v, want %v", image, got, want)
		}
	}
	if runs("/shop", "root/a.so") || runs("/none", "root/a.so") {
		t.Error("an application without handlers runs an image")
	}
	conf.Images.Allow = []string{filepath.Join(dir, "img")}
	if runs("/", "root/a.so") || !runs("/", "img/b.so") || !runs("/", "fixed.so") {
		t.Error("the list of images is not what decides")
	}
}
