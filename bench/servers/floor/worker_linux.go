package main

import (
	"golang.org/x/sys/unix"
)

// stream is the descriptor that a worker inherits.
const stream = 3

// work answers requests until the stream ends: block (one goroutine, in the system call), poll (one goroutine, in Go's poller) or two
// (one reads, another one answers).
func work(how string) error {
	buf, answer := make([]byte, bufSize), make([]byte, answerSize)
	if how == "block" {
		for {
			if n, err := unix.Read(stream, buf); n <= 0 || err != nil {
				return err
			}
			if _, err := unix.Write(stream, answer); err != nil {
				return err
			}
		}
	}
	c, err := polled(stream)
	if err != nil {
		return err
	}
	defer c.Close()
	reply := func() { _, _ = c.Write(answer) }
	if how == "two" {
		requests, done := make(chan struct{}), make(chan struct{})
		write := reply
		go func() {
			defer close(done)
			for range requests {
				write()
			}
		}()
		defer func() { close(requests); <-done }()
		reply = func() { requests <- struct{}{} }
	}
	for {
		if n, err := c.Read(buf); n == 0 || err != nil {
			return nil // the front has hung up
		}
		reply()
	}
}
