package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/front"
	"github.com/isapid/isapid/internal/swap"
)

// TestHelp asks every command for its help and looks whether a person finds what is needed there.
func TestHelp(t *testing.T) {
	for _, cmd := range append(newRootCommand().Commands(), newRootCommand()) {
		if cmd.Hidden || cmd.Name() == "help" {
			continue
		}
		t.Run(cmd.Name(), func(t *testing.T) {
			args := []string{cmd.Name(), "--help"}
			if !cmd.HasParent() {
				args = args[1:]
			}
			var out, errOut strings.Builder
			if code := Main(args, strings.NewReader(""), &out, &errOut); code != exitOK || errOut.Len() > 0 {
				t.Fatalf("%q: exit code %d, stderr %q", args, code, errOut.String())
			}
			if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
				t.Errorf("the one-line purpose is %q; want one without a period", cmd.Short)
			}
			for _, part := range []string{"Usage:", "Examples:", "Flags:"} {
				if !strings.Contains(out.String(), part) {
					t.Errorf("help has no %q:\n%s", part, out.String())
				}
			}
			if cmd.HasParent() && !strings.Contains(out.String(), exitCodeHelp) {
				t.Errorf("help does not tell the exit codes:\n%s", out.String())
			}
			checkFlags(t, cmd)
		})
	}
}

func checkFlags(t *testing.T, cmd *cobra.Command) {
	t.Helper()
	if usage := cmd.LocalFlags().FlagUsages(); strings.Contains(usage, "   \n") {
		t.Errorf("a flag has no explanation:\n%s", usage)
	}
}

// TestExitCodes compares the switch with the help and with docs/operations.md.
func TestExitCodes(t *testing.T) {
	oops := errors.New("oops")
	for _, c := range []struct {
		err  error
		code int
	}{
		{nil, 0},
		{oops, 1},
		{usageError{oops}, 2},
		{configError{oops}, 3},
		{imageError{oops}, 4},
		{compileError{oops}, 5},
		{listenError{oops}, 6},
		{&admin.NoServerError{Place: "/s", Err: oops}, 7},
		{rejectedError{oops}, 8},
		{takenBackError{oops}, 9},
		{errInterrupted, 130},
		{leftError{oops}, 130},
		{fmt.Errorf("while: %w", imageError{oops}), 4},
		{errors.Join(listenError{oops}, errInterrupted), 130},
		{startError(errors.Join(&front.ListenError{Err: oops}, &front.LoadError{Err: oops})), 4},
		{startError(&front.ListenError{Err: oops}), 6},
		{startError(oops), 3},
	} {
		if got := exitCode(c.err); got != c.code {
			t.Errorf("exit code of %v (%T) is %d, want %d", c.err, c.err, got, c.code)
		}
	}

	doc, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	inHelp := table(exitCodeHelp, regexp.MustCompile(`(?m)^ +(\d+)  (.+)$`))
	inDoc := table(string(doc), regexp.MustCompile(`(?m)^\| (\d+) \| (.+) \|$`))
	if len(inHelp) != 11 || fmt.Sprint(inHelp) != fmt.Sprint(inDoc) {
		t.Errorf("exit codes in the help:\n%v\nin docs/operations.md:\n%v", inHelp, inDoc)
	}
}

func table(text string, row *regexp.Regexp) map[int]string {
	codes := map[int]string{}
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		codes[n] = m[2]
	}
	return codes
}

// brokenPipe takes nothing.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("no room") }

// TestOutputLost: a result that cannot be written is a failure of every command that prints one, as text or as JSON.
func TestOutputLost(t *testing.T) {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	image, err := filepath.Abs("/a.so")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeServer{states: []admin.Status{{}}, images: []admin.Image{{Path: image}}, receipts: []swap.Receipt{{Image: image, Began: at}}}
	socket := f.listen(t)
	for _, args := range [][]string{
		{"status"}, {"requests"}, {"crashes"}, {"history", image}, {"snoop", "-c"}, {"top", "-n", "1", "--json"}, {"version"}, {"--help"},
	} {
		if len(args) > 1 || args[0] != "--help" && args[0] != "version" {
			args = append(args, "--socket", socket)
		}
		for _, more := range []string{"", "--json"} {
			if more != "" && slices.Contains(args, "--help") {
				continue
			}
			var errOut strings.Builder
			code := Main(append(slices.Clone(args), strings.Fields(more)...), strings.NewReader(""), brokenPipe{}, &errOut)
			if code != exitFailure || strings.Count(errOut.String(), "no room") != 1 {
				t.Errorf("%q %s: exit code %d, stderr %q", args, more, code, errOut.String())
			}
		}
	}
}
