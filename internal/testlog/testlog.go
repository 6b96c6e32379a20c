// Package testlog gives tests a log that can be read while others write it.
package testlog

import (
	"bytes"
	"strings"
	"sync"
)

// Buffer is where something writes that goes on while a test looks. The zero value is empty.
type Buffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

// Write implements [io.Writer].
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

// String is all that was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

// Has says whether a text was written.
func (b *Buffer) Has(text string) bool { return strings.Contains(b.String(), text) }
