package wine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/image"
)

// TestLoadable asks about 64-bit and 32-bit DLLs on machines with all, some and none of what they need.
func TestLoadable(t *testing.T) {
	both, one, none := t.TempDir(), t.TempDir(), t.TempDir()
	for _, dir := range []string{both, one} {
		if err := os.WriteFile(filepath.Join(dir, "isapid-worker-amd64.exe"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(both, "isapid-worker-386.exe"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	noWine := func() (*Wine, error) { return nil, errNone }
	wide := func() (*Wine, error) { return &Wine{Version: "wine-8.0"}, nil }
	whole := func() (*Wine, error) { return &Wine{Version: "wine-10.0", Path32: "/w/wine"}, nil }
	tests := []struct {
		name    string
		arch    string
		find    func() (*Wine, error)
		workers string
		what    string // "": it can be loaded
		help    []string
		notHelp string
	}{
		{"no Wine", "amd64", noWine, both, "there is none here", []string{"wine64"}, "wine32"},
		{"no Wine, 32-bit", "386", noWine, both, "there is none here", []string{"wine64", "wine32:i386", "--add-architecture"}, ""},
		{"64-bit Wine", "amd64", wide, both, "", nil, ""},
		{"64-bit Wine, 32-bit", "386", wide, both, "wine-8.0 here is 64-bit only", []string{"wine32:i386"}, "wine64"},
		{"both", "amd64", whole, both, "", nil, ""},
		{"both, 32-bit", "386", whole, both, "", nil, ""},
		{"no 32-bit worker", "386", whole, one, "needs the program isapid-worker-386.exe", []string{"GOARCH=386"}, ""},
		{"no worker", "amd64", whole, none, "needs the program isapid-worker-amd64.exe", []string{"GOARCH=amd64"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			i := &image.Info{Path: "/srv/shop.dll", Format: image.FormatPE, System: "windows", Arch: test.arch, Type: image.TypeLibrary, Kind: image.KindExtension}
			err := Setup{Workers: test.workers}.Loadable(i, test.find)
			if test.what == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			m, ok := errors.AsType[*MissingError](err)
			if !ok || !strings.HasPrefix(err.Error(), "shop.dll: ") || !strings.Contains(m.What, test.what) || test.notHelp != "" && strings.Contains(m.Help, test.notHelp) {
				t.Fatalf("got %v", err)
			}
			for _, help := range test.help {
				if !strings.Contains(m.Help, help) {
					t.Errorf("the help %q does not name %s", m.Help, help)
				}
			}
		})
	}
}
