package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/image"
)

// description is what the describe command prints, on the last line of its output: the extension may print, too.
type description struct {
	Description   *string `json:"description,omitempty"`
	Priority      string  `json:"priority,omitempty"`      // of a filter
	Notifications string  `json:"notifications,omitempty"` // likewise: SF_NOTIFY_*, separated by |
	Error         string  `json:"error,omitempty"`
}

// newDescribeCommand is the child of inspect: it loads one image in this process, prints its description and ends.
func newDescribeCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "describe FILE",
		Short:  "Load an image and print its description (used by inspect)",
		Hidden: true,
		Args:   usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDescribe(cmd.Context(), args[0], cmd.OutOrStdout())
		},
	}
}

func runDescribe(ctx context.Context, file string, out io.Writer) error {
	var d description
	info, err := image.Inspect(file)
	if err != nil {
		return err
	}
	any := func(uint32) error { return nil } // what is only asked may want raw data
	o := executor.Options{Filter: info.Kind == image.KindFilter || info.Kind == image.KindBoth, Registers: any}
	ext, err := extension.Open(file, o)
	if err == nil {
		text := ext.Description()
		d.Description = &text
		if f := ext.Filter(); f != nil {
			d.Priority, d.Notifications = f.PriorityName(), f.Notifications()
		}
		err = ext.Close(ctx)
	}
	if err != nil {
		d.Error = err.Error()
	}
	fmt.Fprintln(out) // ends what the extension printed
	printJSON(out, d)
	return err
}

// maxOutput is how much of a child's output is kept, in bytes: the end of it.
const maxOutput = 64 << 10

// describer runs the describe command as a child process.
type describer struct {
	exe     string
	args    []string // before the file
	timeout time.Duration
}

// run returns the description of the file. Nothing of the child is left when it returns, neither the process nor
// its staged images.
func (d describer) run(ctx context.Context, file string) (description, error) {
	none := description{}
	temp, err := os.MkdirTemp("", "isapid-describe-*")
	if err != nil {
		return none, err
	}
	defer os.RemoveAll(temp)
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	var stdout, stderr tail
	cmd := exec.CommandContext(ctx, d.exe, append(slices.Clone(d.args), file)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "TMP="+temp, "TEMP="+temp)
	cmd.WaitDelay = time.Second // a process the extension started may hold the pipes
	err = cmd.Run()
	answer, ok := lastAnswer(stdout.bytes)
	switch {
	case ok && answer.Error != "":
		return none, errors.New(answer.Error)
	case ok && answer.Description != nil:
		return answer, nil
	case ctx.Err() == context.DeadlineExceeded:
		return none, fmt.Errorf("load %q: it did not finish within %v: it hangs in its constructors, in GetExtensionVersion or in GetFilterVersion", file, d.timeout)
	case ctx.Err() != nil:
		return none, ctx.Err()
	case err != nil:
		return none, fmt.Errorf("load %q: it ended the process it was loaded in (%w)%s", file, err, firstLine(stderr.bytes))
	}
	return none, fmt.Errorf("load %q: the process it was loaded in ended without an answer", file)
}

// lastAnswer finds the last line that is the describe command's.
func lastAnswer(out []byte) (d description, ok bool) {
	lines := bytes.Split(out, []byte("\n"))
	for n := len(lines) - 1; n >= 0; n-- {
		dec := json.NewDecoder(bytes.NewReader(lines[n]))
		dec.DisallowUnknownFields()
		d = description{}
		if dec.Decode(&d) == nil && (d.Description != nil || d.Error != "") {
			return d, true
		}
	}
	return description{}, false
}

// firstLine is the first thing a dying process said, to be put behind a message.
func firstLine(stderr []byte) string {
	for line := range strings.Lines(string(stderr)) {
		if line = strings.TrimSpace(line); line != "" {
			return ": " + harmless(line)
		}
	}
	return ""
}

// tail keeps the last maxOutput bytes written to it.
type tail struct{ bytes []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.bytes = append(t.bytes, p[max(0, len(p)-maxOutput):]...)
	t.bytes = t.bytes[max(0, len(t.bytes)-maxOutput):]
	return len(p), nil
}
