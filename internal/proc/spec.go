package proc

import (
	"math"
	"os"
)

// Spec says what to start and what it may use. Only Path is needed.
type Spec struct {
	Path string   // the program; it is not looked for in PATH
	Arg0 string   // what it is called in lists of processes; "" is Path
	Args []string // without the program's name
	Env  []string // the complete environment, "NAME=value"; nil is an empty one
	Dir  string   // working folder; "" is that of this process

	// Stream becomes descriptor 3 of the child. Start does not close it: whoever waits for the end of what the child sends
	// closes his copy after Start. It is made blocking.
	Stream *os.File

	// In and Out become descriptors 0 and 1 of the child, its standard input and output, which are the null device and Output
	// otherwise. They may be the same file. Like Stream they are made blocking, and Start does not close them. There cannot be
	// a Stream as well: a child has one way to be spoken to.
	In, Out *os.File

	// Output is handed each line the child writes to descriptor 1 or 2, or only 2 if there is Out, without its newline. A line
	// has at most [MaxLine] bytes; what is beyond is dropped, and cut tells so. All calls come from one goroutine, which ends
	// before [Process.Done] is closed. While a call lasts nothing is read: an Output that is slow slows the child down.
	// nil: what the child writes is read and dropped.
	Output func(line string, cut bool)

	Wine bool // it is a Windows program, and Path is Wine: see [Exit.Wine]

	User  string // name or number; "" is the user of this process
	Group string // name or number; "" is the user's own group

	// NoNewPrivileges: neither the child nor what it starts gains rights by running a program, by set-user-ID for example, from its first
	// instruction on. It is for a child that cannot see to that itself. Where the system has no such thing that is noted.
	NoNewPrivileges bool

	Nice   int // added to the niceness of this process, -20…19; on Windows the priority class that comes closest
	Limits Limits
	Cgroup Cgroup
}

// MaxLine is how many bytes of a line [Spec.Output] is handed.
const MaxLine = 4 << 10

// Unlimited is the value that lifts one of the [Limits].
const Unlimited uint64 = math.MaxUint64

// Limits are the resource limits of the child, hard and soft alike. nil leaves a limit as it is in this process. A limit above
// the hard one of this process is for root; others get the hard one and a note.
//
// On Windows Processes are those of the child and what it started, CPUSeconds are of each of them in user mode, and the others are not
// enforced.
type Limits struct {
	Files        *uint64 // descriptors
	Processes    *uint64 // processes and threads of the child's *user*, counted on the whole system
	AddressSpace *uint64 // bytes of virtual memory; a Go program reserves some GiB it does not use
	CPUSeconds   *uint64 // seconds of CPU time; SIGXCPU at the end
	FileSize     *uint64 // bytes of a file it writes; SIGXFSZ beyond
	Core         *uint64 // bytes of a core dump; 0 is none
	LockedMemory *uint64 // bytes
}

// Cgroup asks for a group of cgroup v2 for the child, and for what it starts. The group is made below the one of this
// process, or below Parent, and is removed after the child's end; all that is still in it then is killed (Linux 5.14).
//
// A group below our own needs controllers enabled in our own, which the kernel only allows where no process is. If this
// process is the only one there it moves itself into a subgroup "front"; systemd makes that one, too, with
// Delegate=yes and DelegateSubgroup=front. What the system does not let us do is left out, with a note.
//
// The zero Cgroup asks for none. On Windows each child is in a job object, with these limits; where it is at its limit of memory it
// gets no more, and is not killed.
type Cgroup struct {
	Name      string // part of the group's name, for people; characters other than letters, digits, "-", "_" and "." become "_"
	Parent    string // folder of the group to make ours in; "" is the one of this process
	MemoryMax uint64 // bytes; 0 is no limit. At the limit the kernel kills the whole group: see [Exit.OOM]
	CPUMax    int    // in 1/1000 of a processor: 1500 is one and a half; 0 is no limit
}

// Memory is what a process uses, in bytes.
type Memory struct {
	Resident int64 // in memory, with what it shares with others
	Private  int64 // what only this process has, in memory or swapped out; on Windows also what it was promised and has not used
}
