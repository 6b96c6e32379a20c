// Command floor is the least that can answer a request with a second process: a net/http server whose handler sends 600 bytes to that
// process over a Unix stream, waits for 200, and writes a short page. Nothing is parsed, checked or looked up. What isapid's isolated
// mode costs more than this is its own doing; what is below this nothing reaches that has net/http in front of a second process.
//
//	floor serve FRONT WORKER ADDR   the server, until SIGTERM; see serve
//	floor work WORKER               its second process; see work. worker/worker.c is the same in C
//	floor calls                     print what the system calls alone take
//
// bench/compare -floor drives it.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	requestSize = 600 // bytes of a request as a front sends it
	answerSize  = 200 // and of the answer
	bufSize     = 4096
)

func main() {
	log.SetFlags(0)
	var err error
	switch {
	case len(os.Args) == 5 && os.Args[1] == "serve":
		err = serve(os.Args[2], os.Args[3], os.Args[4])
	case len(os.Args) == 3 && os.Args[1] == "work":
		err = work(os.Args[2])
	case len(os.Args) == 2 && os.Args[1] == "calls":
		err = calls()
	default:
		err = errors.New("see the comment in its source")
	}
	if err != nil {
		log.Fatal("floor: ", err)
	}
}

// pair is a stream whose ends no other program inherits.
func pair() (ours, theirs int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	return fds[0], fds[1], os.NewSyscallError("socketpair", err)
}

// calls sends and receives requests and answers in one thread, which waits for nobody.
func calls() error {
	front, worker, err := pair()
	if err != nil {
		return err
	}
	request, answer, buf := make([]byte, requestSize), make([]byte, answerSize), make([]byte, bufSize)
	const times = 200_000
	started := time.Now()
	for range times {
		_, w1 := unix.Write(front, request)
		_, r1 := unix.Read(worker, buf)
		_, w2 := unix.Write(worker, answer)
		_, r2 := unix.Read(front, buf)
		if err := errors.Join(w1, r1, w2, r2); err != nil {
			return err
		}
	}
	fmt.Printf("%.1f µs for two writes and two reads\n", float64(time.Since(started).Nanoseconds())/times/1000)
	return nil
}
