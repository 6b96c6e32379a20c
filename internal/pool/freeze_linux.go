package pool

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// freezing is how long a stopped process may take until each of its threads stands; one inside the kernel stands when it comes out.
const freezing = time.Second

// freeze stops a child until a debugger or the end comes, and returns when it stands: kill(2) only asks, and a thread that still runs
// would see its stream end and leave.
func freeze(pid int) error {
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		return err
	}
	for end := time.Now().Add(freezing); ; time.Sleep(time.Millisecond) {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOWAIT|unix.WNOHANG, nil)
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
