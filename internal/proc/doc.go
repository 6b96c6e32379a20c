// Package proc runs one child process: it starts it with what it may use, reads what it writes, tells how it ended, and
// leaves nothing behind.
//
// # What a child has
//
// Four descriptors: 0 is the null device, 1 and 2 are one pipe that ends in [Spec.Output], 3 is [Spec.Stream]. Or three, for a
// child that is spoken to by its standard input and output: 0 is [Spec.In], 1 is [Spec.Out], 2 is the pipe.
// On Linux [Start] first marks everything this process has open close-on-exec: C code in it may not have done so. What such
// code opens in the very moment of a start can still reach the child.
//
// # When limits begin
//
// Resource limits and niceness are set from outside, right after the program has been started: Go has no place between
// fork and exec where they could be set. So the program's first instructions run without them. A worker loads nothing
// foreign before it has been greeted on descriptor 3, which its parent does after Start: foreign code never runs without
// its limits. They bind processes of ordinary users; one of root can lift its own, and a Go program of root may even do
// so without knowing, if its start-up code raises its limit of files at that very moment. User, groups and cgroup are in
// place before the first instruction.
//
// # How it ends
//
// With the child ends its process group, and its cgroup if it has one: what it started and left running is killed. Without
// a cgroup a process gets away that made a group or session of its own.
//
// When this process dies the kernel kills the child at once (PR_SET_PDEATHSIG); what the child started lives on, unless
// the service manager ends it. The kernel sends that signal when the *thread* that started the child ends, so all children
// are started by one thread, which stays as long as there are any. It forgets the signal if the child changes its user;
// but a worker also sees the end of its descriptor 3.
//
// # Windows
//
// A child has three handles: the null device or [Spec.In], [Spec.Out] or the pipe, the pipe; whatever else this process has open, it
// inherits nothing. There is no Stream. It has a console that nobody sees.
//
// It is in a job object of its own before its first instruction, with the limits that Windows has. What it starts is in that job, too,
// and cannot leave it; all of it ends with the child, with [Process.Kill], and with this process, however that ends: the only handle
// of the job is here.
//
// An exit code has 32 bits. What the system or a runtime library ended a program with is a status, such as 0xc0000005, which
// [Exit.String] names.
//
// # Wine
//
// A child may be a Windows program whose [Spec.Path] is the loader of Wine: then the process is the Windows process itself. Its exit
// code has only the low 8 bits (see [Exit.Wine]). The server of Wine and its services leave the process group of whoever they were
// started by, but not his cgroup; and what they inherited they keep open. So whoever prepares Wine starts them before, on their own:
// else a kill of the cgroup ends them for all, and each end of a child takes a second.
//
// # Other systems
//
// A child is started and its output is read as on Linux. User and group are refused; limits, niceness and cgroup become
// [Process.Notes]. What the child started is not looked for.
package proc
