package native

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// TestPieces: what is read by the piece is what is there.
func TestPieces(t *testing.T) {
	for _, size := range []int{0, 1, pieceSize - 1, pieceSize, pieceSize + 1, 2*pieceSize + 100} {
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(i % 251)
		}
		file := bytes.NewReader(content)
		if err := iotest.TestReader(io.NewSectionReader(&pieces{file: file}, 0, int64(size)), content); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		p := &pieces{file: file}
		for _, off := range []int{size / 2, 0, size - 1, size / 3} {
			if off < 0 {
				continue
			}
			b := make([]byte, size)
			n, err := p.ReadAt(b, int64(off))
			if short := off > 0; !bytes.Equal(b[:n], content[off:]) || errors.Is(err, io.EOF) != short || !short && err != nil {
				t.Errorf("%d bytes from %d: got %d and %v", size, off, n, err)
			}
		}
	}
}
