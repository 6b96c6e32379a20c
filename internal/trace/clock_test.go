package trace

import (
	"testing"
	"time"
)

// TestClock: it goes as fast as any other.
func TestClock(t *testing.T) {
	from := Clock()
	if from <= 0 {
		t.Skip("no boards on this system")
	}
	began := time.Now()
	for Clock()-from < int64(50*time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatal("it does not go")
		}
		time.Sleep(time.Millisecond)
	}
	if took := time.Since(began); took < 20*time.Millisecond {
		t.Errorf("50 ms of it took %v", took)
	}
}
