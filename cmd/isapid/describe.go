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
)

// description is what the describe command prints, on the last line of its output: the extension may print, too.
type description struct {
	Description *string `json:"description,omitempty"`
	Error       string  `json:"error,omitempty"`
}

// newDescribeCommand is the child of inspect: it loads one extension in this process, prints its description and ends.
func newDescribeCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "describe FILE",
		Short:  "Load an extension and print its description (used by inspect)",
		Hidden: true,
		Args:   usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDescribe(cmd.Context(), args[0], cmd.OutOrStdout())
		},
	}
}

func runDescribe(ctx context.Context, file string, out io.Writer) error {
	var d description
	ext, err := extension.Open(file, executor.Options{})
	if err == nil {
		text := ext.Description()
		d.Description = &text
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

// run returns the description of the extension file. Nothing of the child is left when it returns, neither the process nor
// its staged images.
func (d describer) run(ctx context.Context, file string) (string, error) {
	temp, err := os.MkdirTemp("", "isapid-describe-*")
	if err != nil {
		return "", err
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
		return "", errors.New(answer.Error)
	case ok && answer.Description != nil:
		return *answer.Description, nil
	case ctx.Err() == context.DeadlineExceeded:
		return "", fmt.Errorf("load %q: it did not finish within %v: it hangs in its constructors or in GetExtensionVersion", file, d.timeout)
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", fmt.Errorf("load %q: it ended the process it was loaded in (%w)%s", file, err, firstLine(stderr.bytes))
	}
	return "", fmt.Errorf("load %q: the process it was loaded in ended without an answer", file)
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
