package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/front"
	"github.com/isapid/isapid/internal/systemd"
)

// service is who listens to a server besides its signals: the commands, and the service manager that started it. All methods
// for the stages of a life may be called on nil.
type service struct {
	*front.Control
	places  admin.Places // where the commands find it
	reopen  func() error // opens log files again
	manager serviceManager
	log     *slog.Logger

	commands *admin.Doors
	stop     context.CancelFunc
	telling  sync.WaitGroup
}

// serviceManager is who has started the server and wants to know how it goes on. A nil [systemd.Manager] is nobody.
type serviceManager interface {
	Ready(status string)     // the server serves, or a reload has ended
	Reloading()              // the configuration is being read again
	Stopping()               // the end has begun
	Status(text string)      // what the server does, in a line
	Watchdog() time.Duration // after how long without Alive the server is taken for hung; 0: it is not watched
	Alive()                  // the server answers
	Close() error            // nothing is told any more
}

// tellEvery is how often the manager is told what the server does.
const tellEvery = 5 * time.Second

// placesOf is where a server listens for commands.
func placesOf(c *config.Control) admin.Places {
	p := admin.Places{
		Socket: c.Socket, StatusSocket: c.StatusSocket, StatusGroup: c.StatusGroup,
		Listen: c.Listen, Certificate: c.Certificate, Key: c.Key,
	}
	for _, t := range c.Tokens {
		p.Tokens = append(p.Tokens, admin.Token{Name: t.Name, File: t.File, Role: admin.Role(t.Role)})
	}
	return p
}

// begin opens the control socket, and the other places of commands.
func (s *service) begin() (err error) {
	if s == nil {
		return nil
	}
	s.commands, err = admin.Open(s.places, s, s.log)
	return err
}

// Reopen implements [admin.Server].
func (s *service) Reopen() error { return s.reopen() }

// serving tells the manager that the server is ready, and goes on telling it until the end.
func (s *service) serving() {
	if s == nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	if m, ok := s.manager.(*systemd.Manager); ok && m == nil {
		return
	}
	s.manager.Ready("serving")
	s.telling.Go(func() { s.tell(ctx) })
	if every := s.manager.Watchdog(); every > 0 {
		s.telling.Go(func() { s.watch(ctx, every/2) })
	}
}

// tell has the manager know what the server does.
func (s *service) tell(ctx context.Context) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	last, told := front.Stats{}, ""
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if line := s.Summary(&last, tellEvery); line != told {
			s.manager.Status(line)
			told = line
		}
	}
}

// watch keeps the watchdog quiet as long as the server answers.
func (s *service) watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		limited, cancel := context.WithTimeout(ctx, every)
		err := s.Alive(limited)
		cancel()
		switch {
		case err == nil:
			s.manager.Alive()
		case ctx.Err() == nil:
			s.log.Error("server does not answer itself: the watchdog is not told that it is well", "error", err)
		}
	}
}

// Reload implements [admin.Server]: the manager knows of it.
func (s *service) Reload(ctx context.Context) (admin.ReloadResult, error) {
	s.manager.Reloading()
	result, err := s.Control.Reload(ctx)
	status := "configuration reloaded"
	if err != nil {
		status = "configuration not reloaded, the one before goes on: " + err.Error()
	}
	s.manager.Ready(status)
	return result, err
}

// draining tells the manager that the end has begun.
func (s *service) draining() {
	if s != nil {
		s.manager.Stopping()
	}
}

// end closes the control socket, which answers until now, and tells nobody anything any more.
func (s *service) end() {
	if s == nil {
		return
	}
	if s.stop != nil {
		s.stop()
	}
	s.telling.Wait()
	if s.commands != nil {
		s.close()
	}
	_ = s.manager.Close() // nothing is waited for
}

// close gives the control socket up. A reload that hangs, in an extension that is being loaded, is left behind.
func (s *service) close() {
	ctx, cancel := context.WithTimeout(context.Background(), abandonAfter)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- s.commands.Close(ctx) }()
	select {
	case err := <-closed:
		if err != nil {
			s.log.Warn("control socket did not close cleanly", "error", err)
		}
	case <-time.After(2 * abandonAfter):
	}
}
