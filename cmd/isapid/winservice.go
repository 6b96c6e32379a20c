package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/winsvc"
)

// serviceOptions are those of the commands below service.
type serviceOptions struct {
	name    string
	config  string
	display string
	user    string
	timeout time.Duration
	json    bool
}

func newServiceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "service",
		Short: "Install and control isapid as a service of Windows",
		Long: `Install isapid as a service of Windows, which starts with the system, and control it. docs/windows.md has the whole story.

Elsewhere a service manager runs "isapid serve", as systemd does with packaging/isapid.service.`,
		Example: `  isapid service install -c C:\srv\isapid.yaml
  isapid service start
  isapid service status
  isapid service uninstall`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var o serviceOptions
	cmd.PersistentFlags().StringVar(&o.name, "name", winsvc.DefaultName, "`name` of the service")
	cmd.AddCommand(newInstallCommand(&o), newUninstallCommand(&o), newServiceStart(&o), newServiceStop(&o), newServiceStatus(&o))
	return cmd
}

func newInstallCommand(o *serviceOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Make a service that serves a configuration",
		Long: `Make a service that serves a configuration. It starts with the system (automatic, delayed), and again after a failure: after 5 s, 30 s and
then every 2 minutes. The configuration is checked first.

The service runs as an account of its own, NT SERVICE\NAME, which has no password and few rights: let it read the folders of the sites, and
change those in which files are replaced, as with
  icacls C:\srv /grant "NT SERVICE\isapid:(OI)(CI)M"
It keeps its log and the files about crashes in %ProgramData%\NAME.`,
		Example: `  isapid service install -c C:\srv\isapid.yaml
  isapid service install -c C:\srv\shop.yaml --name shop --user "NT AUTHORITY\NetworkService"`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return installService(o, cmd.OutOrStdout()) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.config, "config", "c", "isapid.yaml", "configuration `file`")
	f.StringVar(&o.display, "display-name", "", "`name` for people (default: isapid, with the name of the service if that is another)")
	f.StringVar(&o.user, "user", "", "`account` without a password, as \"NT AUTHORITY\\LocalService\" or LocalSystem (default: NT SERVICE\\NAME)")
	return cmd
}

func newUninstallCommand(o *serviceOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "uninstall",
		Short:   "End a service and remove it",
		Long:    `End a service, when its running requests are answered, and remove it. Its configuration, its log and what it keeps stay.`,
		Example: "  isapid service uninstall",
		Args:    usageArgs(cobra.NoArgs),
	}
	o.waits(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
		defer cancel()
		if err := winsvc.Uninstall(ctx, o.name); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "the service %q is removed\n", o.name)
		return nil
	}
	return cmd
}

func newServiceStart(o *serviceOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "start",
		Short:   "Start a service",
		Long:    `Start a service and wait until it serves. One that does already is left alone.`,
		Example: "  isapid service start",
		Args:    usageArgs(cobra.NoArgs),
	}
	o.waits(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
		defer cancel()
		s, err := winsvc.Start(ctx, o.name)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "the service %q serves (pid %d)\n", o.name, s.Pid)
		return nil
	}
	return cmd
}

func newServiceStop(o *serviceOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "stop",
		Short:   "End a service when its requests are answered",
		Long:    `End a service: it stops listening, waits up to 90 s for running requests, calls TerminateExtension and ends. The command waits for that.`,
		Example: "  isapid service stop",
		Args:    usageArgs(cobra.NoArgs),
	}
	o.waits(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
		defer cancel()
		if err := winsvc.Stop(ctx, o.name); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "the service %q has ended\n", o.name)
		return nil
	}
	return cmd
}

func newServiceStatus(o *serviceOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Say what Windows knows of a service",
		Long:    `Say what Windows knows of a service. "isapid status" asks the server itself.`,
		Example: "  isapid service status --json",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := winsvc.Query(o.name)
			if err != nil {
				return err
			}
			if o.json {
				printJSON(cmd.OutOrStdout(), s)
			} else {
				printService(cmd.OutOrStdout(), &s)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// waits adds the flag of a command that waits.
func (o *serviceOptions) waits(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&o.timeout, "timeout", 3*time.Minute, "give up waiting after so `long`; Windows goes on")
}

// installService checks a configuration before it makes a service of it.
func installService(o *serviceOptions, out io.Writer) error {
	if !winsvc.Here {
		return winsvc.ErrNotHere
	}
	program, err := os.Executable()
	if err == nil {
		program, err = filepath.EvalSymlinks(program) // not a link that an update takes elsewhere
	}
	if err != nil {
		return err
	}
	file, err := filepath.Abs(o.config)
	if err != nil {
		return err
	}
	if _, err := config.Load(file); err != nil {
		return configError{err}
	}
	s := winsvc.Service{
		Name: o.name, DisplayName: o.display, Description: "Runs ISAPI extensions and filters, and replaces them under load. Configuration: " + file,
		User: o.user, Program: program, Args: []string{"serve", "--service", o.name, "--config", file},
	}
	if s.DisplayName == "" {
		s.DisplayName = "isapid"
		if o.name != winsvc.DefaultName {
			s.DisplayName += " (" + o.name + ")"
		}
	}
	if err := winsvc.Install(&s); err != nil {
		return err
	}
	fmt.Fprintf(out, "the service %q is installed: \"isapid service start%s\" starts it now, the system from its next start on\n", o.name, nameFlag(o.name))
	return nil
}

// nameFlag is what a command needs beside to mean a service.
func nameFlag(name string) string {
	if name == winsvc.DefaultName {
		return ""
	}
	return " --name " + name
}

func printService(out io.Writer, s *winsvc.State) {
	fmt.Fprintf(out, "service %s: %s", s.Name, s.State)
	switch {
	case s.Pid != 0:
		fmt.Fprintf(out, " (pid %d)", s.Pid)
	case s.ExitCode != 0:
		fmt.Fprintf(out, " (exit code %d)", s.ExitCode)
	}
	fmt.Fprintf(out, "\n  start    %s\n  account  %s\n  command  %s\n  folder   %s\n", s.Start, s.User, s.Command, s.Folder)
}
