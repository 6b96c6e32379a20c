package variables

import "testing"

func TestUnlimited(t *testing.T) {
	for path, want := range map[string]string{
		`C:\site\app.dll`:        `\\?\C:\site\app.dll`,
		`\\server\share\app.dll`: `\\?\UNC\server\share\app.dll`,
		`\\?\C:\site\app.dll`:    `\\?\C:\site\app.dll`,
		`\\.\pipe\a`:             `\\.\pipe\a`,
		`C:/site/app.dll`:        `C:/site/app.dll`,
		`app.dll`:                `app.dll`,
		`C:`:                     `C:`,
		"":                       "",
	} {
		if got := unlimited(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
