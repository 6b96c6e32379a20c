package inprocess

import (
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/trace"
)

// Board is what the threads of this process were last doing in images; false: that cannot be known.
func Board() (trace.Board, bool) {
	b, err := trace.ReadBoard(native.Board())
	return b, err == nil
}
