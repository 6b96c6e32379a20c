package tape

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// AppendLine appends v, a [Header], an [Entry] or a [Gap], as a line of a tape.
func AppendLine(b []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return b, err
	}
	return append(append(b, text...), '\n'), nil
}

// Writer writes a tape into a file.
type Writer struct {
	file *os.File
	out  *bufio.Writer
	zip  *gzip.Writer // nil: not compressed
	bad  bool         // something could not be written, and the caller knows
}

// Create makes the file of a tape, for its owner only: requests have secrets in them. A file that is there already is an error. The caller must call
// Close.
func Create(name string) (*Writer, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	w := &Writer{file: f, out: bufio.NewWriter(f)}
	if strings.HasSuffix(name, ".gz") {
		w.zip = gzip.NewWriter(w.out)
	}
	return w, nil
}

// Line writes a line, with its end. What was written before the last call of Flush survives a crash of this process.
func (w *Writer) Line(line []byte) error {
	if w.zip != nil {
		_, err := w.zip.Write(line)
		return w.note(err)
	}
	_, err := w.out.Write(line)
	return w.note(err)
}

// Flush has the system take what was written.
func (w *Writer) Flush() error {
	if w.zip != nil {
		if err := w.zip.Flush(); err != nil {
			return w.note(err)
		}
	}
	return w.note(w.out.Flush())
}

func (w *Writer) note(err error) error {
	w.bad = w.bad || err != nil
	return err
}

// Close ends the tape. What another method has said already is not said again.
func (w *Writer) Close() error {
	var err error
	if !w.bad {
		if w.zip != nil {
			err = w.zip.Close()
		}
		if err == nil {
			err = w.out.Flush()
		}
	}
	return errors.Join(err, w.file.Close())
}

// Most of a line, in bytes: two bodies in base64, and what is around them.
const mostLine = 32 << 20

// Check says what is wrong with a line that somebody else wrote: the caller writes it only if nothing is.
func Check(line []byte, first bool) error {
	if first {
		_, err := decodeHeader(line)
		return err
	}
	_, _, err := decodeEntry(line)
	return err
}

// Lines reads the lines of a tape as they are on the wire, with their ends.
type Lines struct{ in *bufio.Reader }

// NewLines reads from r.
func NewLines(r io.Reader) *Lines { return &Lines{bufio.NewReaderSize(r, 64<<10)} }

// Next is the next line; io.EOF after the last one, and io.ErrUnexpectedEOF with what there is of one that does not end. It is valid until the
// next call.
func (l *Lines) Next() ([]byte, error) {
	var line []byte
	for {
		part, err := l.in.ReadSlice('\n')
		if len(line)+len(part) > mostLine {
			return nil, fmt.Errorf("a line is longer than %d bytes", mostLine)
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}
