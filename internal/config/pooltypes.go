package config

import (
	"fmt"
	"time"
)

// PoolMode says where the extensions of a pool run.
type PoolMode string

// The modes of a pool.
const (
	ModeInProcess PoolMode = "in-process" // inside the server process
	ModeIsolated  PoolMode = "isolated"   // in worker processes
)

// FaultPolicy says what happens to an in-process extension after a contained fault.
type FaultPolicy string

// The fault policies.
const (
	FaultKeep    FaultPolicy = "keep"    // go on with the extension
	FaultRefuse  FaultPolicy = "refuse"  // answer every further request 500
	FaultIsolate FaultPolicy = "isolate" // the pool is isolated from then on
)

// Isolation says what shares the worker processes of a pool.
type Isolation string

// The levels of isolation.
const (
	PerApplication Isolation = "per-application" // each application has workers of its own
	PerExtension   Isolation = "per-extension"   // each image has workers of its own
	PerPool        Isolation = "per-pool"        // all applications of the pool share its workers
)

// Platform says what the worker processes of a pool are programs of.
type Platform string

// The platforms.
const (
	PlatformAuto   Platform = "auto"   // what the image is for: its header says it
	PlatformNative Platform = "native" // this system; an image of another is refused
	PlatformWine   Platform = "wine"   // Windows, by Wine; an image of this system is refused
)

// SpareAuto is the value of [Pool.Spare] that keeps a spare where a start takes long.
const SpareAuto = -1

// Pool is how the extensions of its applications run.
type Pool struct {
	Mode      PoolMode
	Threads   int           // requests inside the extension at a time, 1 to 4096; 1 pins one OS thread
	Stack     int           // bytes of a thread's stack; 0: the system's default
	Queue     int           // requests waiting for a thread, 1 to 1000000; more are answered 503
	QueueWait time.Duration // longest wait for a thread; 0: no limit
	ReadAhead int           // bytes of the body read before the extension is called; 0: none
	Pending   time.Duration // longest time between HSE_STATUS_PENDING and DONE_WITH_SESSION; 0: no limit
	Flush     time.Duration // written data waits at most this long before it is sent; 0: never
	OnFault   FaultPolicy   // in-process only
	Checks    Checks
	Update    Update

	// What follows means something where there are worker processes: in an isolated pool, and in one that [FaultIsolate] has
	// isolated.

	Isolation      Isolation
	Platform       Platform
	Workers        int           // processes, 1 to 64
	Spare          int           // processes that are ready for the next worker that starts, 0 to 8; [SpareAuto]: one of Wine's, none of this system's
	OnDemand       bool          // the first request starts the workers; false: the server does when it starts
	StartupLimit   time.Duration // longest time until a worker is ready; at least 100 ms
	ShutdownLimit  time.Duration // longest time a worker may take to finish and end before it is killed; at least 100 ms
	IdleTimeout    time.Duration // only with OnDemand: workers without a request for so long are ended; 0: never
	RequestTimeout time.Duration // longest time of a request inside the extension; 0: no limit

	Environment map[string]string // on top of the server's own
	Directory   string            // absolute working directory; "": the server's
	User        string            // name or number; "": the server's
	Group       string            // name or number; "": that of User
	Nice        int               // −20 to 19
	RLimits     RLimits
	MemoryLimit int64 // bytes each worker may have by its cgroup; 0: no limit
	CPULimit    int   // thousandths of a processor each worker may use by its cgroup; 0: no limit

	NoNewPrivileges bool     // programs a worker starts cannot gain rights (set-user-ID)
	Sandbox         *Sandbox // nil: none

	Health     Health
	Recycle    Recycle
	Crashes    Crashes
	Orphan     Orphan
	Idempotent []string // upper-case methods that are run again after a crash, besides GET, HEAD and OPTIONS
}

// Unlimited is the value of a limit in [RLimits] that is lifted.
const Unlimited = ^uint64(0)

// RLimits are the resource limits of a worker process. nil is what the server has itself.
type RLimits struct {
	Files        *uint64 // descriptors
	Processes    *uint64 // processes and threads of the worker's user, all together
	AddressSpace *uint64 // bytes
	CPU          *uint64 // seconds of processor time
	Core         *uint64 // bytes of a core file
	FileSize     *uint64 // bytes of a file the worker writes
}

// Sandbox says what the code in a worker may reach. A nil list restricts nothing; an empty one allows nothing.
type Sandbox struct {
	Read    []string // absolute paths of files and folders
	Write   []string // absolute paths of files and folders, which may be read too
	Connect []uint16 // TCP ports
	Bind    []uint16 // TCP ports
}

// Health says how a worker shows that it still answers.
type Health struct {
	Ping    time.Duration // between two pings; 0: none
	Timeout time.Duration // a ping unanswered for so long fails the worker; at least 100 ms
}

// Recycle says when the workers of a pool are replaced by new ones.
type Recycle struct {
	Requests       int           // that one worker has answered; 0: never
	After          time.Duration // age of a worker; 0: never
	At             []ClockTime   // each day
	Memory         int64         // resident bytes of a worker; 0: never
	PrivateMemory  int64         // bytes of a worker it shares with no other process; 0: never
	MemoryGrowth   int64         // bytes per hour of a worker; 0: never
	Overlap        bool          // the new ones are ready before the old ones stop taking requests
	OnConfigChange bool          // also when the pool's configuration has changed
}

// ClockTime is a time of day by the clock of the machine.
type ClockTime struct{ Hour, Minute, Second int }

// String returns the time as "03:00:00".
func (t ClockTime) String() string { return fmt.Sprintf("%02d:%02d:%02d", t.Hour, t.Minute, t.Second) }

// Crashes says when a pool whose workers keep failing is taken out of service for a while.
type Crashes struct {
	Max    int           // failures within Window that are borne; 0: any number
	Window time.Duration // at least 1 s
}

// Orphan says whether a worker that does not answer pings is kept for a debugger instead of killed.
type Orphan struct {
	Enabled bool
	Action  []string // program and arguments run then, with %pid%, %reason% and %pool% in them; empty: none
	Max     int      // orphans kept at a time, 1 to 100
}

// UpdateMode says whether two versions of an image may run at the same time.
type UpdateMode string

// The modes of an update.
const (
	UpdateOverlap UpdateMode = "overlap" // the new version is loaded beside the old one; no request waits
	UpdateHold    UpdateMode = "hold"    // the old version ends first; requests wait meanwhile
)

// Update says how another version of an image takes the place of the one that runs.
type Update struct {
	Watch      bool // the image's file and those beside it are looked at
	Mode       UpdateMode
	Verify     *Verify       // a request the new version must answer first; nil: none
	Canary     int           // per cent of the requests that the new version gets first, 0 to 99; 0: none
	CanaryTime time.Duration // for so long
	Window     time.Duration // after the commit the new version is watched for so long and the old one kept ready; 0: not at all
	Factor     float64       // the new version is taken back when its errors, crashes or times are so many times the old one's; over 1
	Backups    int           // earlier versions that are kept beside the image, 0 to 100
}

// Verify is a request that a new version is tried with.
type Verify struct {
	Path    string // of the URL, below that of the application; begins with a slash, may have a query
	Status  int    // that the answer must have, 100 to 599
	Timeout time.Duration
}
