package native

import (
	"debug/pe"
	"io"
	"os"
)

// openPE opens an image. What is opened must be closed when nothing is read of it any more.
func openPE(path string) (f *pe.File, opened io.Closer, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	if f, err = pe.NewFile(&pieces{file: file}); err != nil {
		file.Close()
		return nil, nil, err
	}
	return f, file, nil
}

// pieces reads a file by the piece. Package pe asks for each symbol by itself, and the libraries of Wine have ten thousands of them:
// seconds, in which the answer to a request waits whose fault is to be described.
type pieces struct {
	file io.ReaderAt
	last []byte // of the file
	at   int64  // where last begins
}

const pieceSize = 256 << 10

// ReadAt implements [io.ReaderAt], but for one caller at a time.
func (p *pieces) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) && err == nil {
		from := off + int64(n)
		if from < p.at || from >= p.at+int64(len(p.last)) {
			if p.last == nil {
				p.last = make([]byte, pieceSize)
			}
			var got int
			got, err = p.file.ReadAt(p.last[:pieceSize], from)
			p.at, p.last = from, p.last[:got]
			if got > 0 {
				err = nil // what ended the reading is told by the next one
			}
		}
		n += copy(b[n:], p.last[from-p.at:])
	}
	return n, err
}
