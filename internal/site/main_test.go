package site

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails when a goroutine outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := leftOver(); left != "" {
			fmt.Fprintf(os.Stderr, "goroutines outlive the tests:\n%s\n", left)
			code = 1
		}
	}
	os.Exit(code)
}

// leftOver returns the stacks of goroutines that serve or ask, once they had time to end.
func leftOver() (stacks string) {
	for range 100 {
		stacks = ""
		buffer := make([]byte, 1<<20)
		for stack := range strings.SplitSeq(string(buffer[:runtime.Stack(buffer, true)]), "\n\n") {
			if strings.Contains(stack, "net/http") || strings.Contains(stack, "internal/site.(*") {
				stacks += stack + "\n\n"
			}
		}
		if stacks == "" {
			return ""
		}
		time.Sleep(20 * time.Millisecond)
	}
	return stacks
}
