package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// firstSocket is the descriptor of the first socket that is handed over.
const firstSocket = 3

// maxSockets is far more than anybody hands over.
const maxSockets = 1024

// Sockets returns the listening sockets that this process was started with; a second call finds none. The caller closes them. An
// error names what is no TCP socket that listens; then none is left open.
func Sockets() (list []*net.TCPListener, err error) {
	pid, count, names := take("LISTEN_PID"), take("LISTEN_FDS"), strings.Split(take("LISTEN_FDNAMES"), ":")
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil // meant for whoever started us
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxSockets {
		return nil, fmt.Errorf("LISTEN_FDS is %q: the service manager sets it to a number of sockets", count)
	}
	var errs []error
	for i := range n {
		name := "unknown"
		if i < len(names) && names[i] != "" {
			name = names[i]
		}
		l, err := listener(firstSocket+i, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, l)
	}
	if err := errors.Join(errs...); err != nil {
		for _, l := range list {
			l.Close()
		}
		return nil, err
	}
	return list, nil
}

// listener takes over a descriptor.
func listener(fd int, name string) (*net.TCPListener, error) {
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), name)
	defer f.Close() // the listener has a copy
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("inherited descriptor %d (%s) is no socket that listens: %w", fd, name, err)
	}
	if tcp, ok := l.(*net.TCPListener); ok {
		return tcp, nil
	}
	l.Close()
	return nil, fmt.Errorf("inherited descriptor %d (%s) listens on %s: only TCP addresses can be bindings", fd, name, l.Addr())
}
