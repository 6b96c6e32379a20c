package image

import (
	"path/filepath"
	"slices"
	"testing"
)

func TestHelpForLibraries(t *testing.T) {
	const install = "install it, or put it beside the image"
	tests := map[string]string{
		"VCRUNTIME140_1.dll": visualC("2015-2022"),
		"vcruntime140d.dll":  debugBuild,
		"MSVCR90.DLL":        visualC("2008"),
		"msvcr71.dll":        visualC7,
		"msvcr160.dll":       "install the Visual C++ redistributable of its version, or put it beside the image",
		"msvbvm60.dll":       "install the Visual Basic run-time (vbrun60sp6.exe; in the Wine prefix with wine), or put it beside the image",
		"rtl70.bpl":          delphi,
		"borlndmm.dll":       delphi,
		"libstdc++-6.dll":    mingw,
		"libstdc++.so.6":     install,
		"oci.dll":            database("Oracle"),
		"ocio.dll":           install,
		"price.dll":          install,
		"":                   install,
	}
	for name, want := range tests {
		if got := (Library{Name: name}).Help(); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// TestMissingOfAnotherWindows: a host that says what it brings is believed, also about what every Windows has.
func TestMissingOfAnotherWindows(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "MFC42.dll", "")
	i := &Info{Path: filepath.Join(dir, "shop.dll"), System: "windows", Arch: "amd64", Needed: []Library{
		{Name: "KERNEL32.dll", Found: true, System: true},
		{Name: "mfc42.DLL", Found: true, System: true},
		{Name: "msvbvm60.dll", Found: true, System: true},
		{Name: "api-ms-win-crt-runtime-l1-1-0.dll", Found: true, System: true},
		{Name: "vcruntime140.dll"},
		{Name: "price.dll"},
	}}
	tests := []struct {
		name string
		host Host
		want []string
	}{
		{"any Windows", Host{System: "windows", Arch: "amd64"}, []string{"vcruntime140.dll", "price.dll"}},
		{"a certain one", Host{System: "windows", Arch: "amd64", Brings: func(name string) bool { return name == "KERNEL32.dll" || name == "vcruntime140.dll" }},
			[]string{"msvbvm60.dll", "price.dll"}},
	}
	for _, test := range tests {
		var got []string
		for _, l := range i.Missing(test.host) {
			got = append(got, l.Name)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
