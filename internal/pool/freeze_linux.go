package pool

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// freezing is how long a stopped process may take until each of its threads stands; one inside the kernel stands when it comes out.
const freezing = time.Second

// freeze stops a child until a debugger or the end comes, and returns when it stands: a signal only asks, and a thread that still runs
// would see its stream end and leave. One that has ended meanwhile is an error, and whoever has its number now is not touched.
func freeze(p process) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for end := time.Now().Add(freezing); ; time.Sleep(time.Millisecond) {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, p.Pid(), &info, unix.WSTOPPED|unix.WNOWAIT|unix.WNOHANG, nil)
		switch {
		case err == nil && info.Signo != 0:
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return err
		case time.Now().After(end):
			return errors.New("a thread of it does not stop")
		}
	}
}
