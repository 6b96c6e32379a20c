package winsvc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
)

// Limits of a service.
const (
	pollEvery  = 200 * time.Millisecond // between two looks at a service that changes
	tellEvery  = 2 * time.Second        // between two signs of life to Windows while the server starts or ends
	waitHint   = 20 * time.Second       // how long Windows waits for the next one
	shutdownIn = 100 * time.Second      // how long Windows waits for the end before it shuts down: longer than a drain
)

// Controls of our own, beside those of Windows: what "sc control NAME 128" sends.
const (
	controlReload = 128
	controlReopen = 129
)

// Manager is Windows as a server sees it that runs as a service. The server calls its methods as its life goes on; they wait for nothing.
type Manager struct {
	events *Events

	controls Controls
	ready    chan struct{} // closed when the server serves
	stopping chan struct{} // closed when it begins to end
	begins   sync.Once
	ends     sync.Once
}

// Run runs a server as the service of that name, which Windows has started this process for, and returns when it has ended. It serves in
// the folder of the service; code gives its error an exit code. An error of Run itself means that Windows has not started this process.
func Run(name string, serve func(*Manager) error, code func(error) int) error {
	folder := Folder(name)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := os.Chdir(folder); err != nil {
		return err
	}
	events, err := openEvents(name)
	if err != nil {
		return err
	}
	defer events.close()
	if crash, err := os.OpenFile(filepath.Join(folder, "crash.txt"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err == nil { // it has no standard error
		_ = debug.SetCrashOutput(crash, debug.CrashOptions{})
		crash.Close() // it has been duplicated
	}
	outliveLogoff()
	m := &Manager{events: events, ready: make(chan struct{}), stopping: make(chan struct{})}
	h := &handler{manager: m, serve: serve, code: code, every: tellEvery}
	err = svc.Run(name, h)
	if errors.Is(err, windows.ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) {
		return fmt.Errorf("only Windows starts the service %q: use \"isapid service start\", or serve without --service", name)
	}
	return errors.Join(err, h.err)
}

// Events is the log of Windows for this service.
func (m *Manager) Events() *Events { return m.events }

// Attach says what Windows may ask for. It must be called before Ready.
func (m *Manager) Attach(c Controls) { m.controls = c }

// Ready tells that the server serves. More calls change nothing.
func (m *Manager) Ready(string) { m.begins.Do(func() { close(m.ready) }) }

// Stopping tells that the server is about to end.
func (m *Manager) Stopping() { m.ends.Do(func() { close(m.stopping) }) }

// Reloading, Status and Alive tell what Windows does not want to know.
func (*Manager) Reloading() {}

// Status see Reloading.
func (*Manager) Status(string) {}

// Alive see Reloading.
func (*Manager) Alive() {}

// Watchdog is 0: Windows does not watch whether a service answers.
func (*Manager) Watchdog() time.Duration { return 0 }

// Close implements what managers have.
func (*Manager) Close() error { return nil }

// handler is a [svc.Handler].
type handler struct {
	manager *Manager
	serve   func(*Manager) error
	code    func(error) int
	every   time.Duration // between two signs of life while the server starts or ends
	err     error         // of serve
}

// Execute implements [svc.Handler]: it serves, and tells Windows how far the server is until it has ended. What Windows asks for is begun, and
// done by the server.
func (h *handler) Execute(_ []string, asked <-chan svc.ChangeRequest, tell chan<- svc.Status) (ownCode bool, code uint32) {
	ended := make(chan error, 1)
	go func() { ended <- h.serve(h.manager) }()
	now := svc.Status{State: svc.StartPending, WaitHint: uint32(waitHint.Milliseconds())}
	ready, stopping := h.manager.ready, h.manager.stopping
	stop := func() {
		if now.State != svc.StopPending {
			now = svc.Status{State: svc.StopPending, WaitHint: uint32(waitHint.Milliseconds())}
		}
	}
	tick := time.NewTicker(h.every)
	defer tick.Stop()
	tell <- now
	for {
		select {
		case h.err = <-ended:
			return h.ended()
		case <-ready:
			ready = nil
			now = svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown | svc.AcceptPreShutdown | svc.AcceptParamChange}
		case <-stopping:
			stopping = nil
			stop()
		case r := <-asked:
			if h.ask(r.Cmd) {
				stop()
			}
		case <-tick.C:
			if now.State == svc.Running {
				continue
			}
			now.CheckPoint++
		}
		tell <- now
	}
}

// ask begins what Windows asks for and says whether that is the end.
func (h *handler) ask(c svc.Cmd) (end bool) {
	do := h.manager.controls
	switch c {
	case svc.Stop, svc.Shutdown, svc.PreShutdown:
		do.Drain()
		return true
	case svc.ParamChange, controlReload:
		do.Reload()
	case controlReopen:
		do.Reopen()
	default: // it only wants to know
	}
	return false
}

// ended is what Windows is told of the end. It starts a service again that ends with an error.
func (h *handler) ended() (ownCode bool, code uint32) {
	if h.err == nil {
		return false, 0
	}
	h.manager.events.Error("the server has ended: " + h.err.Error())
	return true, uint32(h.code(h.err))
}

// Events of the console that every service gets.
const (
	logoffEvent   = 5
	shutdownEvent = 6
)

// outliveLogoff has the server outlive the end of anybody's session, which Windows tells services too, and leave a shutdown to the service
// control manager, which waits longer.
func outliveLogoff() {
	own := windows.NewCallback(func(event uintptr) uintptr {
		if event == logoffEvent || event == shutdownEvent {
			return 1
		}
		return 0 // the next one: Go's
	})
	_, _, _ = windows.NewLazySystemDLL("kernel32.dll").NewProc("SetConsoleCtrlHandler").Call(own, 1) // it fails for no reason that is known
}
