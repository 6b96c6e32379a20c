package reply

import (
	"errors"
	"fmt"

	"github.com/isapid/isapid/internal/isapi"
)

// dechunker takes off the chunk framing that an extension writes itself, in whatever pieces it comes. net/http frames
// again, as the client's protocol has it; that keeps HTTP/2, HEAD and keep-alive right.
type dechunker struct {
	line  []byte // a size or trailer line so far
	left  uint64 // data bytes left of this chunk
	state chunkState
	ended bool
}

type chunkState int

const (
	chunkSize chunkState = iota
	chunkData
	chunkDataEnd // the line break after data
	chunkTrailer
)

const maxChunkLine = 4096

var errAfterLastChunk = errors.New("bytes after the last chunk")

// next returns the data at the beginning of p, if any, and what is left of p after it.
func (d *dechunker) next(p []byte) (data, rest []byte, err error) {
	if d.ended {
		return nil, nil, errAfterLastChunk
	}
	if d.state == chunkData {
		n := min(uint64(len(p)), d.left)
		if d.left -= n; d.left == 0 {
			d.state = chunkDataEnd
		}
		return p[:n], p[n:], nil
	}
	for i, c := range p {
		if c != '\n' {
			if d.line = append(d.line, c); len(d.line) > maxChunkLine {
				return nil, nil, errors.New("line too long")
			}
			continue
		}
		line := d.line
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		err := d.endLine(line)
		d.line = d.line[:0]
		return nil, p[i+1:], err
	}
	return nil, nil, nil
}

func (d *dechunker) endLine(line []byte) (err error) {
	switch d.state {
	case chunkSize:
		if d.left, err = parseChunkSize(line); err != nil {
			return err
		}
		d.state = chunkData
		if d.left == 0 {
			d.state = chunkTrailer
		}
	case chunkDataEnd:
		if len(line) != 0 {
			return fmt.Errorf("%q where the end of a chunk should be", isapi.Clip(string(line)))
		}
		d.state = chunkSize
	case chunkTrailer: // trailer fields are dropped
		d.ended = len(line) == 0
	default: // chunkData has no lines
	}
	return nil
}

// parseChunkSize reads hexadecimal digits up to an extension or the end.
func parseChunkSize(line []byte) (n uint64, err error) {
	digits := 0
	for _, c := range line {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		case (c == ';' || c == ' ' || c == '\t') && digits > 0:
			return n, nil
		default:
			return 0, fmt.Errorf("%q is not a chunk size", isapi.Clip(string(line)))
		}
		if digits++; digits > 15 {
			return 0, fmt.Errorf("chunk size %q is too large", isapi.Clip(string(line)))
		}
		n = n<<4 | uint64(c)
	}
	if digits == 0 {
		return 0, errors.New("empty line where a chunk size should be")
	}
	return n, nil
}
