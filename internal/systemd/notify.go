// Package systemd speaks with the service manager that started this process: it takes the sockets that the manager listens on for
// us, and tells it what we do (sd_listen_fds and sd_notify). Without such a manager there are no sockets and nothing is told.
//
// Both are told in environment variables. They are taken out of the environment, so that no child believes that they are its own.
package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Manager is who wants to know. All methods may be called on nil, and from many goroutines. What cannot be sent is lost: a
// manager that does not listen must not keep a server from its work.
type Manager struct {
	conn     net.Conn
	watchdog time.Duration
}

// Connect finds the manager that has asked to be told; nil if there is none. The caller must close it.
func Connect() (*Manager, error) {
	address, pid, interval := take("NOTIFY_SOCKET"), take("WATCHDOG_PID"), take("WATCHDOG_USEC")
	if address == "" {
		return nil, nil
	}
	conn, err := net.Dial("unixgram", address) // "@" begins a name that is no file
	if err != nil {
		return nil, fmt.Errorf("tell the service manager at NOTIFY_SOCKET: %w", err)
	}
	m := &Manager{conn: conn}
	if us, err := strconv.ParseInt(interval, 10, 64); err == nil && us > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		m.watchdog = time.Duration(us) * time.Microsecond
	}
	return m, nil
}

// take returns a variable and removes it.
func take(name string) string {
	v := os.Getenv(name)
	os.Unsetenv(name)
	return v
}

// Watchdog is after how long without [Manager.Alive] the manager takes this process for hung. 0: it does not watch.
func (m *Manager) Watchdog() time.Duration {
	if m == nil {
		return 0
	}
	return m.watchdog
}

// Ready tells that the process serves, or that a reload has ended.
func (m *Manager) Ready(status string) { m.send("READY=1", statusLine(status)) }

// Reloading tells that the configuration is being read again. Ready ends it.
func (m *Manager) Reloading() {
	m.send("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", monotonic().Microseconds()))
}

// Stopping tells that the process is about to end.
func (m *Manager) Stopping() { m.send("STOPPING=1", statusLine("waiting for running requests")) }

// Status tells in one line what the process does.
func (m *Manager) Status(text string) { m.send(statusLine(text)) }

// Alive keeps the watchdog quiet for another interval.
func (m *Manager) Alive() { m.send("WATCHDOG=1") }

func statusLine(text string) string { return "STATUS=" + strings.ReplaceAll(text, "\n", "; ") }

func (m *Manager) send(lines ...string) {
	if m != nil {
		_, _ = m.conn.Write([]byte(strings.Join(lines, "\n")))
	}
}

// Close ends the connection.
func (m *Manager) Close() error {
	if m == nil {
		return nil
	}
	return m.conn.Close()
}
