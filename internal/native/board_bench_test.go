//go:build unix && cgo

package native

import (
	"fmt"
	"testing"

	"github.com/isapid/isapid/internal/testext"
)

// BenchmarkCallback asks: what does one callback of an extension cost that does nothing? Per operation are 1000.
func BenchmarkCallback(b *testing.B) {
	l, err := Open(testext.Fixture(b, "board"))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	proc := l.Lookup("HttpExtensionProc")
	for _, n := range []int{0, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := NewSlot(silent{})
			defer s.Release()
			s.Fill(&Texts{QueryString: fmt.Sprintf("C%d;", n)}, 0, nil)
			for b.Loop() {
				if _, err := HTTPExtensionProc(proc, s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
