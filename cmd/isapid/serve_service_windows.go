package main

import (
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/isapid/isapid/internal/winsvc"
)

// serveAsService serves as the service of Windows that this process was started for. There is nobody at its standard streams: what would go
// there goes to a file in the folder of the service.
func serveAsService(o serveOptions) error {
	return winsvc.Run(o.service, func(m *winsvc.Manager) error {
		if os.Getenv("STATE_DIRECTORY") == "" {
			os.Setenv("STATE_DIRECTORY", winsvc.Folder(o.service)) // where files about crashes go
		}
		cfg, err := loadConfig(o.config)
		if err != nil {
			return err
		}
		say := &reporter{
			out: io.Discard, err: io.Discard, what: filepath.Base(o.config),
			instead: filepath.Join(winsvc.Folder(o.service), "isapid.log"), events: m.Events(),
		}
		return serveConfig(cfg, say, func(l *life, sink *logSink) {
			m.Attach(l.controls())
			l.manage(cfg, sink, m)
		})
	}, exitCode)
}

// controls are what Windows may ask a service for, without signals.
func (l *life) controls() winsvc.Controls {
	as := func(signals chan<- os.Signal, s os.Signal) func() {
		return func() {
			select {
			case signals <- s:
			default: // more of them mean the same
			}
		}
	}
	return winsvc.Controls{Drain: l.askToDrain, Reload: as(l.hangups, syscall.SIGHUP), Reopen: as(l.reopens, syscall.SIGHUP)}
}
