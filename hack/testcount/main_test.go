package main

import (
	"strings"
	"testing"
)

func TestCount(t *testing.T) {
	const (
		pass   = `{"Action":"pass","Package":"p","Test":"TestA"}` + "\n" + `{"Action":"pass","Package":"p"}` + "\n"
		fail   = `{"Action":"output","Package":"q","Test":"TestB","Output":"why\n"}` + "\n" + `{"Action":"fail","Package":"q","Test":"TestB"}` + "\n" + `{"Action":"fail","Package":"q"}` + "\n"
		skip   = `{"Action":"skip","Package":"r","Test":"TestC"}` + "\n"
		broken = `{"Action":"build-output","ImportPath":"s","Output":"s.go:1: oh\n"}` + "\n" + `{"Action":"fail","Package":"s"}` + "\n"
		died   = `{"Action":"output","Package":"u","Test":"TestD","Output":"SIGSEGV\n"}` + "\n" + `{"Action":"fail","Package":"u"}` + "\n"
		empty  = `{"Action":"skip","Package":"v"}` + "\n"
	)
	for _, c := range []struct {
		name, in, allowed string
		want              []string // lines of the output
		ok                bool
	}{
		{"all pass", pass + empty, "", []string{"1 passed, 0 failed, 0 skipped"}, true},
		{"one fails", pass + fail, "", []string{"why", "1 passed, 1 failed, 0 skipped"}, false},
		{"does not build", pass + broken, "", []string{"s.go:1: oh", "1 passed, 1 failed, 0 skipped"}, false},
		{"process died", pass + died, "", []string{"SIGSEGV", "1 passed, 1 failed, 0 skipped"}, false},
		{"skip, none allowed", pass + skip, "# nothing", []string{"skipped r TestC: not allowed here, see .ci/allowed-skips", "1 passed, 0 failed, 1 skipped"}, false},
		{"skip, allowed", pass + skip, "r TestC because", []string{"skipped r TestC", "1 passed, 0 failed, 1 skipped"}, true},
		{"skip, all of the package allowed", pass + skip, "r * because", []string{"skipped r TestC", "1 passed, 0 failed, 1 skipped"}, true},
		{"skip, not asked", pass + skip, "", []string{"skipped r TestC", "1 passed, 0 failed, 1 skipped"}, true},
		{"nothing ran", empty, "", []string{"0 passed, 0 failed, 0 skipped"}, false},
		{"other text", "go: downloading\n" + pass, "", []string{"go: downloading", "1 passed, 0 failed, 0 skipped"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			n := &counter{out: &out}
			if c.allowed != "" {
				n.allowed = parseAllowed(c.allowed)
			}
			if err := n.read(strings.NewReader(c.in)); err != nil {
				t.Fatal(err)
			}
			if ok := n.summary(); ok != c.ok {
				t.Errorf("well = %v, want %v", ok, c.ok)
			}
			if want := strings.Join(c.want, "\n") + "\n"; out.String() != want {
				t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
			}
		})
	}
}
