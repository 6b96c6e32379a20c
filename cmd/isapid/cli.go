package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/toolchain"
)

// Main runs isapid with the arguments after the program's name and returns its exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	out := &output{Writer: stdout}
	root.SetOut(out)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	if err == nil {
		err = out.err
	}
	code := exitCode(err)
	if err != nil {
		printError(cmd, err, code)
	}
	return code
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "isapid",
		Short: "Run ISAPI extensions",
		Long: `isapid runs ISAPI extensions: libraries with GetExtensionVersion and HttpExtensionProc.

Results go to the standard output, everything else to the standard error.`,
		Example: `  isapid run counter.c                 build an extension and serve it on port 8080
  isapid run shop.so --addr :80        serve a built one
  isapid inspect shop.dll              say what a file is and whether it can run here
  isapid check -c isapid.yaml          say what a configuration would serve
  isapid serve -c isapid.yaml          serve it
  isapid status                        say what a running server does
  isapid snoop shop/orders             watch the calls that an extension makes and gets
  isapid deploy shop shop-2.so         replace an image of it, without losing a request`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Args:              usageArgs(cobra.NoArgs),
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		newRunCommand(),
		newServeCommand(),
		newStatusCommand(),
		newRequestsCommand(),
		newTopCommand(),
		newSnoopCommand(),
		newRecycleCommand(),
		newStopCommand(),
		newStartCommand(),
		newReloadCommand(),
		newReopenCommand(),
		newDrainCommand(),
		newDeployCommand(),
		newRollbackCommand(),
		newHistoryCommand(),
		newCrashesCommand(),
		newRecordCommand(),
		newReplayCommand(),
		newCheckCommand(),
		newInspectCommand(),
		newPasswdCommand(),
		newServiceCommand(),
		newDoctorCommand(),
		newWineCommand(),
		newDescribeCommand(),
		newVersionCommand(),
	)
	for _, cmd := range root.Commands() {
		cmd.Long = strings.TrimSpace(cmd.Long) + "\n\n" + exitCodeHelp
	}
	return root
}

// usageArgs makes a wrong number of arguments an error of usage.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

func printError(cmd *cobra.Command, err error, code int) {
	out := cmd.ErrOrStderr()
	if wantsJSON(cmd) {
		printJSON(out, struct {
			Error string `json:"error"`
			Code  int    `json:"code"`
		}{err.Error(), code})
		return
	}
	if refused, ok := errors.AsType[*toolchain.CompileError](err); ok {
		fmt.Fprintln(out, strings.TrimRight(refused.Output, "\n")) // as the compiler said it: editors know that form
		err = fmt.Errorf("%q does not compile", refused.Source)
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(out, "isapid: %s\n", strings.TrimSuffix(line, "\n"))
	}
	if code == exitUsage {
		fmt.Fprintf(out, "isapid: see %q\n", cmd.CommandPath()+" --help")
	}
}

func wantsJSON(cmd *cobra.Command) bool {
	f := cmd.Flags().Lookup("json")
	return f != nil && f.Value.String() == "true"
}

func printJSON(out io.Writer, v any) {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // the writer is a terminal or a pipe; there is nobody left to tell
}
