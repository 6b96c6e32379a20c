package winsvc

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"
)

// goodName keeps names out that files, the registry or accounts cannot have.
var goodName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$`)

// Install makes the service, which starts with the system and again after a failure, its folder and its source in the event log. After an
// error there is none.
func Install(s *Service) error {
	if !goodName.MatchString(s.Name) {
		return fmt.Errorf("%q cannot be the name of a service: use letters, digits, \"-\", \"_\" and \".\"", s.Name)
	}
	account, sid, err := accountOf(s)
	if err != nil {
		return err
	}
	m, err := connect(windows.SC_MANAGER_CONNECT | windows.SC_MANAGER_CREATE_SERVICE)
	if err != nil {
		return explain(s.Name, err)
	}
	defer m.Disconnect()
	if err := makeFolder(Folder(s.Name), sid); err != nil {
		return err
	}
	service, err := m.CreateService(s.Name, s.Program, mgr.Config{
		DisplayName: s.DisplayName, Description: s.Description, ServiceStartName: account,
		StartType: mgr.StartAutomatic,
	}, s.Args...)
	if err != nil {
		return explain(s.Name, err)
	}
	defer service.Close()
	if err = errors.Join(comeBack(service), source(s.Name)); err != nil {
		_ = service.Delete() // the error that counts is the first
		return explain(s.Name, err)
	}
	return nil
}

// comeBack has Windows start a service after those that the system needs, again when it has failed, and wait for its end when the machine
// shuts down.
func comeBack(s *mgr.Service) error {
	again := func(after time.Duration) mgr.RecoveryAction {
		return mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: after}
	}
	delayed := windows.SERVICE_DELAYED_AUTO_START_INFO{IsDelayedAutoStartUp: 1}
	before := struct{ milliseconds uint32 }{uint32(shutdownIn.Milliseconds())}
	for _, err := range []error{
		s.SetRecoveryActions([]mgr.RecoveryAction{again(5 * time.Second), again(30 * time.Second), again(2 * time.Minute)}, 24*60*60),
		s.SetRecoveryActionsOnNonCrashFailures(true),
		windows.ChangeServiceConfig2(s.Handle, windows.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, (*byte)(unsafe.Pointer(&delayed))),
		windows.ChangeServiceConfig2(s.Handle, windows.SERVICE_CONFIG_PRESHUTDOWN_INFO, (*byte)(unsafe.Pointer(&before))),
	} {
		if err != nil && !errors.Is(err, windows.ERROR_INVALID_LEVEL) { // Wine 8 knows few of them
			return fmt.Errorf("set when the service starts and ends: %w", err)
		}
	}
	return nil
}

// source makes the source of events. One that is there already, of a service before, is as good.
func source(name string) error {
	err := eventlog.InstallAsEventCreate(name, eventlog.Error|eventlog.Warning|eventlog.Info)
	if err != nil && !strings.Contains(err.Error(), "already exists") {
		return fmt.Errorf("make the source of events: %w", err)
	}
	return nil
}

// Uninstall ends the service and removes it with its source of events. What is in its folder stays.
func Uninstall(ctx context.Context, name string) error {
	m, s, err := open(name, windows.SERVICE_STOP|windows.SERVICE_QUERY_STATUS|windows.DELETE)
	if err != nil {
		return err
	}
	defer m.Disconnect()
	defer s.Close()
	if err := stop(ctx, s); err != nil {
		return err
	}
	if err := s.Delete(); err != nil {
		return explain(name, err)
	}
	if err := eventlog.Remove(name); err != nil && !errors.Is(err, windows.ERROR_FILE_NOT_FOUND) {
		return fmt.Errorf("the service is removed, its source of events is not: %w", err)
	}
	return nil
}

func connect(access uint32) (*mgr.Mgr, error) {
	h, err := windows.OpenSCManager(nil, nil, access)
	if err != nil {
		return nil, err
	}
	return &mgr.Mgr{Handle: h}, nil
}

// open opens a service that is there. The caller must close both.
func open(name string, access uint32) (*mgr.Mgr, *mgr.Service, error) {
	m, err := connect(windows.SC_MANAGER_CONNECT)
	if err != nil {
		return nil, nil, explain(name, err)
	}
	text, err := windows.UTF16PtrFromString(name)
	if err == nil {
		var h windows.Handle
		if h, err = windows.OpenService(m.Handle, text, access); err == nil {
			return m, &mgr.Service{Name: name, Handle: h}, nil
		}
	}
	m.Disconnect()
	return nil, nil, explain(name, err)
}

// explain says what to do about an error of Windows.
func explain(name string, err error) error {
	switch {
	case errors.Is(err, windows.ERROR_ACCESS_DENIED):
		return errors.New("only an administrator may do that: use an elevated prompt")
	case errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST):
		return fmt.Errorf("there is no service %q: \"isapid service install\" makes one, --name says another", name)
	case errors.Is(err, windows.ERROR_SERVICE_EXISTS), errors.Is(err, windows.ERROR_DUPLICATE_SERVICE_NAME):
		return fmt.Errorf("there is a service %q already: \"isapid service uninstall\" removes it, --name makes another", name)
	case errors.Is(err, windows.ERROR_SERVICE_MARKED_FOR_DELETE):
		return fmt.Errorf("the service %q is removed when the last program lets it go: close those that show services, as services.msc does", name)
	case errors.Is(err, windows.ERROR_INVALID_SERVICE_ACCOUNT), errors.Is(err, windows.ERROR_SERVICE_LOGON_FAILED):
		return fmt.Errorf("the account of the service %q cannot be used: %w", name, err)
	case errors.Is(err, windows.ERROR_SERVICE_DISABLED):
		return fmt.Errorf("the service %q is disabled: \"sc config %s start= delayed-auto\" changes that", name, name)
	}
	return err
}
