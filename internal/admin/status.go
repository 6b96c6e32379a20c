package admin

import (
	"encoding/json"
	"time"

	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/trace"
)

// State is what a server is doing, in one word.
type State string

// The states of a server. One that does not serve yet has no socket.
const (
	StateServing  State = "serving"
	StateDraining State = "draining" // it takes no new connections and ends when its requests have
)

// Status is what the operator sees of a server.
type Status struct {
	Version   string      `json:"version"`
	Pid       int         `json:"pid"`
	State     State       `json:"state"`
	Started   time.Time   `json:"started"`
	Uptime    Seconds     `json:"uptime_seconds"`
	Config    string      `json:"config,omitempty"` // absolute path; "": the server was started without a file
	Reload    *LastReload `json:"last_reload,omitempty"`
	URLs      []string    `json:"urls"`
	Process   Process     `json:"process"`
	Requests  Requests    `json:"requests"`
	Pools     []Pool      `json:"pools"`      // those with workers, in the order of their names
	InProcess []Extension `json:"in_process"` // what is loaded into the server itself

	Images []swap.State `json:"images"` // what can be replaced, in the order of the paths

	Misuse   []Finding  `json:"misuse"`              // what images did and must not, the last ones, oldest first
	Snoops   []Snoop    `json:"snoops"`              // who looks at calls
	InFlight []InFlight `json:"in_flight,omitempty"` // requests, oldest first; only for who asks for them
}

// Process is the server's own process.
type Process struct {
	CPU      Seconds `json:"cpu_seconds"` // since its start, all threads
	Threads  int     `json:"threads"`
	Resident int64   `json:"resident_bytes"`
}

// LastReload is how the last try to read the configuration again ended.
type LastReload struct {
	At    time.Time `json:"at"`
	Error string    `json:"error,omitempty"` // why everything is as it was
}

// Requests are counted since the start of the server.
type Requests struct {
	Served  int64 `json:"served"`  // that ended
	Running int64 `json:"running"` // now
	Broken  int64 `json:"broken"`  // responses that had begun and could not be completed
	Faults  int64 `json:"faults"`  // contained in extensions inside the server; those of workers are in the totals of pools
}

// Extension is one that is loaded into the server itself.
type Extension struct {
	Image       string `json:"image"`
	Pool        string `json:"pool"`
	Description string `json:"description"` // what it said of itself in GetExtensionVersion, or GetFilterVersion
	Filter      bool   `json:"filter"`
	Generation  int    `json:"generation"` // how often it was loaded
	SHA256      string `json:"sha256,omitempty"`
	Size        int64  `json:"size,omitempty"` // bytes
	BuildID     string `json:"build_id,omitempty"`
	Requests    int64  `json:"requests"` // it got, those inside included
	Faults      int64  `json:"faults"`   // contained
}

// Finding is something that an image did and must not; one for what is done again and again.
type Finding struct {
	Kind    string    `json:"kind"`
	Image   string    `json:"image"`             // path
	Call    string    `json:"call,omitempty"`    // ISAPI's name of the function
	Text    string    `json:"text"`              // a sentence
	Request string    `json:"request,omitempty"` // ID of the first one
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Count   int64     `json:"count"`
	Stack   []string  `json:"stack,omitempty"` // native, innermost first, of the first one
}

// Snoop is somebody who looks at calls.
type Snoop struct {
	ID      uint32       `json:"id"`
	Who     string       `json:"who"`
	Filter  trace.Filter `json:"filter"`
	Since   time.Time    `json:"since"`
	Events  uint64       `json:"events"`  // that were sent
	Dropped uint64       `json:"dropped"` // that were not, because there were too many
}

// InFlight is a request that has not ended.
type InFlight struct {
	ID          string  `json:"id"` // as the log and snoop have it
	Age         Seconds `json:"age_seconds"`
	Stage       string  `json:"stage"` // received, held, queued, filters, running, sending
	Site        string  `json:"site,omitempty"`
	Application string  `json:"application,omitempty"` // path
	Pool        string  `json:"pool,omitempty"`
	Worker      string  `json:"worker,omitempty"` // its name; "" in the server's own process
	Pid         int     `json:"pid,omitempty"`    // of the worker
	Generation  int     `json:"generation,omitempty"`
	Image       string  `json:"image,omitempty"` // path
	Tries       int     `json:"tries,omitempty"` // how often it was begun: more than once if workers were lost
	Client      string  `json:"client,omitempty"`
	Method      string  `json:"method"`
	URL         string  `json:"url"`

	Inside    []Inside `json:"inside,omitempty"`     // what it is inside of, outermost first
	LastCalls []Inside `json:"last_calls,omitempty"` // what it called before, newest last; only for who asks for them
}

// Inside is a call of an image, or one that an image makes. It is believed of a process that runs foreign code.
type Inside struct {
	Call   string  `json:"call"` // ISAPI's name of it
	Age    Seconds `json:"age_seconds"`
	Error  uint32  `json:"error,omitempty"` // last error, of one that has returned
	Thread int32   `json:"thread,omitempty"`
}

// Named returns the pools that an operator means by a name: the one that is called so, or all that are part of that pool of the
// configuration.
func (s *Status) Named(name string) []Pool {
	list := []Pool{}
	for _, p := range s.Pools {
		if p.Name == name || p.Group == name {
			list = append(list, p)
		}
	}
	if len(list) > 0 {
		return list
	}
	for _, p := range s.Pools {
		if p.Of == name {
			list = append(list, p)
		}
	}
	return list
}

// Pool is a pool with worker processes. Unlike [pool.Status] it can be read from JSON.
type Pool struct {
	pool.Status
	Of       string `json:"pool"`             // its name in the configuration, where isolation may make several pools of one
	Group    string `json:"group"`            // its name without what images of another kind than the system's add to it
	Platform string `json:"platform"`         // what its workers are programs of: "linux/amd64", "windows/386"
	Wine     string `json:"wine,omitempty"`   // version of the Wine that they run under
	Prefix   string `json:"prefix,omitempty"` // folder of that
}

// UnmarshalJSON implements [json.Unmarshaler]. The durations of package pool can only be written: they are read beside its structs.
func (p *Pool) UnmarshalJSON(data []byte) error {
	var in struct {
		pool.Status
		Of       string `json:"pool"`
		Group    string `json:"group"`
		Platform string `json:"platform"`
		Wine     string `json:"wine"`
		Prefix   string `json:"prefix"`
		Workers  []struct {
			pool.WorkerStatus
			Age       Seconds `json:"age_seconds"`
			CPU       Seconds `json:"cpu_seconds"`
			OldestAge Seconds `json:"oldest_request_seconds"`
		} `json:"workers"`
		Deaths []struct {
			pool.Death
			Age Seconds `json:"age_seconds"`
		} `json:"deaths"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	p.Status, p.Of, p.Group, p.Platform, p.Wine, p.Prefix = in.Status, in.Of, in.Group, in.Platform, in.Wine, in.Prefix
	for _, w := range in.Workers {
		w.WorkerStatus.Age, w.WorkerStatus.CPU, w.WorkerStatus.OldestAge = pool.Seconds(w.Age), pool.Seconds(w.CPU), pool.Seconds(w.OldestAge)
		p.Workers = append(p.Workers, w.WorkerStatus)
	}
	for _, d := range in.Deaths {
		d.Death.Age = pool.Seconds(d.Age)
		p.Deaths = append(p.Deaths, d.Death)
	}
	return nil
}

// Seconds is a duration that is a number of seconds in JSON.
type Seconds time.Duration

// MarshalJSON implements [json.Marshaler].
func (d Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).Seconds()) }

// UnmarshalJSON implements [json.Unmarshaler].
func (d *Seconds) UnmarshalJSON(data []byte) error {
	var seconds float64
	err := json.Unmarshal(data, &seconds)
	*d = Seconds(seconds * float64(time.Second))
	return err
}
