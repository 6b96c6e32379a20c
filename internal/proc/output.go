package proc

import (
	"bufio"
	"errors"
	"io"
	"os"
	"time"
)

// output is the goroutine that reads what a child writes.
type output struct {
	pipe  *os.File // the end that is read
	ended chan struct{}
}

// readOutput starts to read pipe. finish ends that.
func readOutput(pipe *os.File, line func(line string, cut bool)) *output {
	o := &output{pipe: pipe, ended: make(chan struct{})}
	go func() {
		defer close(o.ended)
		if line == nil {
			io.Copy(io.Discard, pipe) // ends as lines does
			return
		}
		lines(pipe, line)
	}()
	return o
}

// finish reads what is left to read and closes the pipe. It waits for its end, but not longer than limit: another process
// may have it open.
func (o *output) finish(limit time.Duration) {
	if o.pipe.SetReadDeadline(time.Now().Add(limit)) != nil {
		t := time.AfterFunc(limit, func() { o.pipe.Close() }) // a pipe that knows no deadline
		defer t.Stop()
	}
	<-o.ended
	o.pipe.Close()
}

// lines hands every line of r to line, until r ends or fails. The memory it needs does not depend on what it reads.
func lines(r io.Reader, line func(line string, cut bool)) {
	b := bufio.NewReaderSize(r, 16<<10)
	var start []byte // of a line whose end has not been read
	cut, open := false, false
	for {
		part, err := b.ReadSlice('\n')
		whole := err == nil
		if whole {
			part = part[:len(part)-1]
		}
		open = open || whole || len(part) > 0
		room := MaxLine - len(start)
		cut = cut || len(part) > room
		start = append(start, part[:min(len(part), room)]...)
		switch {
		case whole, !errors.Is(err, bufio.ErrBufferFull) && open:
			line(string(start), cut)
			start, cut, open = start[:0], false, false
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
