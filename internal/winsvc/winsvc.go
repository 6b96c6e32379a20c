// Package winsvc makes a server a service of Windows: it installs and removes the service, starts and stops it, and runs the server in
// it, with the event log and a folder for what it keeps. On other systems everything fails with [ErrNotHere].
package winsvc

import "errors"

// ErrNotHere is the error of everything on systems without such services.
var ErrNotHere = errors.New("services of Windows are on Windows only: elsewhere a service manager runs \"isapid serve\", as systemd does with packaging/isapid.service")

// DefaultName is the name of a service that nobody has given another.
const DefaultName = "isapid"

// Service is a service that is to be installed.
type Service struct {
	Name        string // letters, digits, "-", "_" and "."; at most 80
	DisplayName string // for people
	Description string
	User        string   // its account: one without a password; "": one of its own, NT SERVICE\NAME
	Program     string   // absolute path
	Args        []string // of the program
}

// State is what the system knows of a service.
type State struct {
	Name     string `json:"name"`
	State    string `json:"state"` // "running", "stopped", "starting", "stopping", or another word of Windows
	Pid      int    `json:"pid,omitempty"`
	ExitCode int    `json:"exit_code"` // of the program, at its last end
	Command  string `json:"command"`   // with arguments
	User     string `json:"user"`
	Start    string `json:"start"` // "automatic", "manual", "disabled"; "": not known
	Folder   string `json:"folder"`
}

// The words of [State.State] that are looked at.
const (
	Running  = "running"
	Stopped  = "stopped"
	Starting = "starting"
	Stopping = "stopping"
)

// Controls are what Windows may ask of a server. None may wait.
type Controls struct {
	Drain  func() // begin the end
	Reload func() // read the configuration again
	Reopen func() // open the files of logs again
}
