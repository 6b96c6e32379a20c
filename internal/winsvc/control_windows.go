package winsvc

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

// Start starts a service and returns when it serves; one that does already is left alone. An error says how it ended instead.
func Start(ctx context.Context, name string) (State, error) {
	m, s, err := open(name, windows.SERVICE_START|windows.SERVICE_QUERY_STATUS|windows.SERVICE_QUERY_CONFIG)
	if err != nil {
		return State{}, err
	}
	defer m.Disconnect()
	defer s.Close()
	if err := s.Start(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
		return State{}, explain(name, err)
	}
	now, err := await(ctx, s, func(is svc.State) bool { return is != svc.StartPending })
	if err != nil {
		return State{}, err
	}
	state := stateOf(s, &now)
	if state.State != Running {
		return state, fmt.Errorf("the service %q does not serve: it ended with exit code %d; the event log has the reason", name, state.ExitCode)
	}
	return state, nil
}

// Stop ends a service and returns when it has ended: its running requests are answered first. One that does not run is left alone.
func Stop(ctx context.Context, name string) error {
	m, s, err := open(name, windows.SERVICE_STOP|windows.SERVICE_QUERY_STATUS)
	if err != nil {
		return err
	}
	defer m.Disconnect()
	defer s.Close()
	return stop(ctx, s)
}

func stop(ctx context.Context, s *mgr.Service) error {
	_, err := s.Control(svc.Stop)
	switch {
	case errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE):
		return nil
	case errors.Is(err, windows.ERROR_SERVICE_CANNOT_ACCEPT_CTRL): // it ends already, or starts
	case err != nil:
		return explain(s.Name, err)
	}
	_, err = await(ctx, s, func(is svc.State) bool { return is == svc.Stopped }) // it is running for some time yet
	return err
}

// await waits until a service has come to a state.
func await(ctx context.Context, s *mgr.Service, there func(svc.State) bool) (svc.Status, error) {
	for {
		now, err := s.Query()
		if err != nil {
			return now, explain(s.Name, err)
		}
		if there(now.State) {
			return now, nil
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
			return now, fmt.Errorf("the service %q is %s yet: %w", s.Name, word(now.State), context.Cause(ctx))
		}
	}
}

// Query says how a service is. Everybody may ask.
func Query(name string) (State, error) {
	m, s, err := open(name, windows.SERVICE_QUERY_STATUS|windows.SERVICE_QUERY_CONFIG)
	if err != nil {
		return State{}, err
	}
	defer m.Disconnect()
	defer s.Close()
	now, err := s.Query()
	if err != nil {
		return State{}, explain(name, err)
	}
	return stateOf(s, &now), nil
}

func stateOf(s *mgr.Service, now *svc.Status) State {
	state := State{Name: s.Name, State: word(now.State), Pid: int(now.ProcessId), ExitCode: int(now.Win32ExitCode), Folder: Folder(s.Name)}
	if now.Win32ExitCode == uint32(windows.ERROR_SERVICE_SPECIFIC_ERROR) {
		state.ExitCode = int(now.ServiceSpecificExitCode)
	}
	if state.ExitCode == int(windows.ERROR_SERVICE_NEVER_STARTED) {
		state.ExitCode = 0
	}
	if c := configOf(s); c != nil {
		state.Command, state.User = windows.UTF16PtrToString(c.BinaryPathName), windows.UTF16PtrToString(c.ServiceStartName)
		switch c.StartType {
		case mgr.StartAutomatic:
			state.Start = "automatic"
		case mgr.StartManual:
			state.Start = "manual"
		case mgr.StartDisabled:
			state.Start = "disabled"
		}
	}
	return state
}

// configOf is how a service is installed; nil if that cannot be told. ([mgr.Service.Config] fails under Wine, which knows less.)
func configOf(s *mgr.Service) *windows.QUERY_SERVICE_CONFIG {
	size := uint32(1 << 10)
	for {
		buf := make([]byte, size)
		c := (*windows.QUERY_SERVICE_CONFIG)(unsafe.Pointer(&buf[0]))
		err := windows.QueryServiceConfig(s.Handle, c, size, &size)
		switch {
		case err == nil:
			return c
		case !errors.Is(err, windows.ERROR_INSUFFICIENT_BUFFER) || size <= uint32(len(buf)):
			return nil
		}
	}
}

func word(s svc.State) string {
	switch s {
	case svc.Running:
		return Running
	case svc.Stopped:
		return Stopped
	case svc.StartPending:
		return Starting
	case svc.StopPending:
		return Stopping
	default:
	}
	return fmt.Sprintf("in state %d", s)
}
