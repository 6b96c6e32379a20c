package front

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/trace"
)

// What is done again and again is one finding with a count, and a line in the log once a minute.
func TestFindings(t *testing.T) {
	var lines strings.Builder
	now := time.Now()
	fs := newFindings(slog.New(slog.NewTextHandler(&lines, nil)))
	fs.now = func() time.Time { return now }
	one := executor.Finding{
		Kind: executor.WrongSize, Image: "/srv/a.so", Call: "WriteClient", Text: "what", Request: 7, Stack: []string{"write_n+0x1 in a.so", "main"},
	}
	other := one
	other.Stack = []string{"elsewhere"}
	told := func() string { defer lines.Reset(); return lines.String() }

	fs.add(&one, 1, "p", "p/1")
	if s := told(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "times=1 pool=p worker=p/1 request="+trace.FormatID(7)+" at=\"write_n+0x1 in a.so\"") {
		t.Errorf("the first: %q", s)
	}
	now = now.Add(59 * time.Second)
	fs.add(&one, 3, "p", "p/1")
	if s := told(); s != "" {
		t.Errorf("within a minute: %q", s)
	}
	fs.add(&other, 1, "p", "")
	if s := told(); strings.Count(s, "\n") != 1 || strings.Contains(s, "worker") {
		t.Errorf("at another place: %q", s)
	}
	now = now.Add(time.Second)
	fs.add(&one, 1, "p", "p/1")
	if s := told(); !strings.Contains(s, "times=4 ") {
		t.Errorf("after a minute: %q", s)
	}
	if all := fs.all(); len(all) != 2 || all[1].Count != 5 || all[1].Last.Sub(all[1].First) != time.Minute || all[1].Request != trace.FormatID(7) || len(all[1].Stack) != 2 {
		t.Errorf("kept: %+v", all)
	}
	for i := range 2 * mostFindings {
		f := executor.Finding{Kind: executor.Unfinished, Image: fmt.Sprint(i)}
		fs.add(&f, 1, "p", "")
	}
	if all := fs.all(); len(all) != mostFindings || all[mostFindings-1].Image != fmt.Sprint(2*mostFindings-1) {
		t.Errorf("%d are kept, the last %+v", len(all), all[len(all)-1])
	}
}

// Findings of both modes come to the log, the status and the metrics.
func TestFindingsOfImages(t *testing.T) {
	for _, mode := range bothModes {
		for _, checks := range []config.Checks{config.ChecksOn, config.ChecksOff} {
			t.Run(fmt.Sprint(mode, " ", checks), func(t *testing.T) {
				x, control := insight(t, mode, func(c *config.Config) {
					c.Sites[0].Applications[0].Handlers[0].Extension = testext.Fixture(t, "misuse_calls")
					defaultPool(c).Checks = checks
				})
				for range 3 {
					if status, _ := get(t, x.URLs()[0]+"hang/?size-negative"); status != 200 {
						t.Errorf("status %d", status)
					}
				}
				get(t, x.URLs()[0]+"hang/?size-negative-ok")
				if checks == config.ChecksOff {
					if all := control.Status().Misuse; len(all) != 0 {
						t.Errorf("found %+v", all)
					}
					return
				}
				x.until("found", func() bool { all := control.Status().Misuse; return len(all) == 1 && all[0].Count == 3 })
				f := control.Status().Misuse[0]
				if f.Kind != string(executor.WrongSize) || f.Call != "WriteClient" || !strings.HasSuffix(f.Image, "misuse_calls.so") || f.Request == "" ||
					len(f.Stack) < 2 || !strings.Contains(f.Stack[0], "write_n") {
					t.Errorf("got %+v", f)
				}
				if text := scrape(t, control); !strings.Contains(text, `isapid_misuse_total{image="`+f.Image+`",kind="wrong_size"} 3`) &&
					!strings.Contains(text, `isapid_misuse_total{image="misuse_calls.so",kind="wrong_size"} 3`) {
					t.Errorf("no such finding in\n%s", grep(text, "misuse"))
				}
			})
		}
	}
}
