package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestSnoopInTerminal: colours are for terminals, unless somebody does not want them; Ctrl-C ends it.
func TestSnoopInTerminal(t *testing.T) {
	p := newPlace(t)
	d := p.start(nil)
	for _, tt := range []struct {
		noColor string
		want    bool
	}{{"", true}, {"1", false}} {
		t.Setenv("NO_COLOR", tt.noColor)
		m := inTerminal(t, "snoop", "--socket", filepath.Join(p.dir, "ctl", "control.sock"))
		m.shows("isapid: watching; Ctrl-C ends")
		p.ask("HOME")
		m.shows("HSE_STATUS_SUCCESS")
		m.press("\x03")
		m.read.Wait()
		if err := m.cmd.Wait(); err != nil {
			t.Errorf("it ended with %v:\n%s", err, m.text())
		}
		if got := strings.Contains(m.text(), "\x1b["); got != tt.want {
			t.Errorf("NO_COLOR=%q, colours %v:\n%q", tt.noColor, got, m.text())
		}
	}
	d.end()
}
