package main

import (
	"fmt"
	"io"
)

// output is where results go. It remembers the first thing that went wrong, so that a command that prints need not look after each line:
// [Main] does in the end. A disk that is full is no success.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil && o.err == nil {
		o.err = fmt.Errorf("the result cannot be written: %w", err)
	}
	return n, err
}

// beneath is what an output writes to: for who asks what kind of file that is, or goes on whether or not it can be written, as a server does.
func beneath(out io.Writer) io.Writer {
	if o, ok := out.(*output); ok {
		return o.Writer
	}
	return out
}
