// Package sandbox takes from this process, for good, what it will not need: rights to be gained, files, TCP ports. A worker
// does that to itself after its parent has told it what to keep, and before it loads anything foreign.
//
// Files and ports are restricted by Landlock, through github.com/landlock-lsm/go-landlock, which needs no privileges.
// Landlock restricts threads; the library applies it to all of the process, those that C code has made included, and
// what they start inherits it. What is open stays open: Landlock looks at who opens, not at who reads and writes.
//
// Landlock is a net with a known mesh. It does not keep a process from asking for a file's size and times (stat), from
// changing the mode, owner and times of files where the user may (chmod, chown, utime), from chdir, from UDP, or from
// signals to processes of the same user. Use a user of its own for that.
package sandbox

// Sandbox says what the process keeps. The zero Sandbox takes nothing away.
type Sandbox struct {
	// NoNewPrivs: no program it runs gains rights by set-user-ID or by capabilities of its file. Files and Network imply that
	// where the kernel has Landlock.
	NoNewPrivs bool

	// Files restricts files and folders to those listed, and to what is below a folder listed. They must exist. A restriction
	// is of what is found under a name now: a file that takes the place of a listed one later is not in the list, so list
	// folders of files that are replaced.
	Files       bool
	ReadFiles   []string // to read, list and run
	WriteFiles  []string // to use in every way; also to connect to if it is a Unix socket, and to control if it is a device
	SystemFiles bool     // also to read what most programs need of the system: libraries, time zones, certificates, names

	// Network restricts TCP to these ports, of any address. Not restricted is Multipath TCP, which the kernel lets speak to
	// any TCP server as well; a note says where it is enabled. Other protocols are not restricted.
	Network      bool
	ConnectPorts []uint16
	BindPorts    []uint16
}
