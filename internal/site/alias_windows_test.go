package site

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

// shortName is the short name of what is below the root; "" if it has none.
func (f *fixture) shortName(name string) string {
	f.t.Helper()
	long, err := windows.UTF16PtrFromString(filepath.Join(f.dir, name))
	must(f.t, err)
	buffer := make([]uint16, 1000)
	n, err := windows.GetShortPathName(long, &buffer[0], uint32(len(buffer)))
	must(f.t, err)
	short := filepath.Base(windows.UTF16ToString(buffer[:n]))
	if strings.EqualFold(short, filepath.Base(name)) {
		return ""
	}
	return short
}

// TestShortNames: nothing is found by a name that its folder does not show: the rules are about names that are shown.
func TestShortNames(t *testing.T) {
	names := []string{"web.config", "isapid.yaml", "shop.dllx", "source.aspx", "page of text.html", "global.asax"}
	f := start(t, append(names, "App_Data/customers.html", "long folder name/page.html"), dllApp+`
      - {path: "*.asp", extension: www/shop.dllx}
`)
	tried := 0
	for _, name := range append(names, "App_Data", "long folder name") {
		short := f.shortName(name)
		if short == "" {
			continue
		}
		tried++
		for _, target := range []string{"/" + short, "/" + strings.ToLower(short), "/" + short + "/customers.html", "/" + short + "/page.html", "/" + short + "/x"} {
			if resp := f.get(target); resp.StatusCode != 404 {
				t.Errorf("GET %s, which is %s: got %s %q", target, name, resp.Status, resp.body)
			}
		}
	}
	if tried == 0 {
		t.Skip("this file system makes no short names")
	}
	for _, target := range []string{"/page%20of%20text.html", "/long%20folder%20name/page.html", "/LONG%20folder%20name/PAGE.html"} {
		if resp := f.get(target); resp.StatusCode != 200 {
			t.Errorf("GET %s: got %s", target, resp.Status)
		}
	}
}

// TestCase: an application, its rules and its image are the same in whatever letters they are asked for.
func TestCase(t *testing.T) {
	f := start(t, []string{"admin/page.html", "admin/Shop.dll", "admin/web.config", "other/configured.dll"}, `
applications:
  - path: /admin
    directory: www/admin
    handlers: [{path: "*.dll", isapi: true}]
  - path: /
    handlers: [{path: "/orders/*", extension: www/OTHER/Configured.dll}, {path: "*.dll", isapi: true}]
`)
	for _, target := range []string{"/admin/web.config", "/ADMIN/WEB.CONFIG", "/aDmIn/Web.Config"} {
		if resp := f.get(target); resp.StatusCode != 404 {
			t.Errorf("GET %s: got %s", target, resp.Status)
		}
	}
	images := map[string]bool{}
	for _, target := range []string{"/admin/Shop.dll", "/ADMIN/SHOP.DLL", "/Admin/shop.dll/x"} {
		l := f.landed("GET", target)
		images[l.Image] = true
		if app := strings.ToLower(l.ScriptName); !strings.HasPrefix(app, "/admin/shop.dll") {
			t.Errorf("GET %s: script %q", target, l.ScriptName)
		}
	}
	if want := filepath.Join(f.dir, "admin", "Shop.dll"); len(images) != 1 || !images[want] {
		t.Errorf("images %v, want %s only", images, want)
	}
	images = map[string]bool{}
	for _, target := range []string{"/orders/1", "/ORDERS/2", "/other/configured.dll"} {
		images[f.landed("GET", target).Image] = true
	}
	if len(images) != 1 {
		t.Errorf("images %v, want one", images)
	}
}
