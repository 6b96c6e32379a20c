package filters

import (
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/config"
)

// What GetFilterVersion is given and what it may answer.
func TestLoad(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags []string
		err   string // "": it is loaded
	}{
		{"plain", nil, ""},
		{"version of tomorrow", []string{"-DVERSION=0x630000"}, ""},
		{"version 0", []string{"-DVERSION=0"}, ""},
		{"full description", []string{"-DFULL"}, ""},
		{"refused", []string{"-DREFUSE=ERROR_OLD_WIN_VERSION"}, "GetFilterVersion returned FALSE"},
		{"crash", []string{"-DCRASH"}, "SIGSEGV"},
		{"no event", []string{"-DFLAGS=BOTH_PORTS"}, "no event"},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, mode config.PoolMode) {
				files := filters(t, mode, built("filter_load", c.flags...))
				s, err := try(t, layout{mode: mode, app: files})
				if c.err != "" {
					if err == nil {
						t.Fatal("it was loaded")
					}
					for _, part := range []string{c.err, "filter_load_1.so"} {
						if !strings.Contains(err.Error(), part) {
							t.Errorf("the error is %q, want %q in it", err, part)
						}
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				res := s.get("/page.txt")
				res.want(t, 200, "hello\n")
				res.wantHeader(t, "X-Load", "server 6.0, 0 bytes not zero")
				s.stop()
				wantTrace(t, s.trace(), "load TerminateFilter")
			})
		})
	}
}

// A library that is no filter.
func TestNoFilter(t *testing.T) {
	each(t, func(t *testing.T, mode config.PoolMode) {
		_, err := try(t, layout{mode: mode, app: filters(t, mode, built("play"))})
		if err == nil || !strings.Contains(err.Error(), "GetFilterVersion") {
			t.Errorf("the error is %v", err)
		}
	})
}

// One file that is a filter in several places is loaded once.
func TestLoadedOnce(t *testing.T) {
	each(t, func(t *testing.T, mode config.PoolMode) {
		file := filters(t, mode, named("a", "-DEVENTS=SF_NOTIFY_PREPROC_HEADERS"))
		s := start(t, layout{mode: mode, global: file, pool: isolationOf(mode), applications: []string{"{path: /folder}", "{path: /empty}"}})
		for _, url := range []string{"/page.txt", "/folder/default.htm", "/empty/"} {
			s.get(url)
		}
		s.stop()
		wantTrace(t, s.trace(), `
			a#1 PREPROC_HEADERS GET /page.txt
			a#2 PREPROC_HEADERS GET /folder/default.htm
			a#3 PREPROC_HEADERS GET /empty/
			a TerminateFilter`)
	})
}

// isolationOf has a pool run in one process whatever applications it has.
func isolationOf(mode config.PoolMode) string {
	if mode == config.ModeInProcess {
		return ""
	}
	return "isolation: per-pool"
}
