package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxRead is the largest piece of a file that is held in memory at once, in bytes. The largest piece a real library has is
// its dynamic string table; those of the biggest C++ libraries have some ten megabytes.
const maxRead = 64 << 20

var (
	errCut     = errors.New("beyond the end of the file")
	errTooLong = errors.New("larger than any real library has")
	errOutside = errors.New("outside of what is loaded from the file")
)

// view reads from a file whose every number may lie. Nothing is allocated before the file is known to have that many
// bytes.
type view struct {
	r     io.ReaderAt
	size  uint64 // of the file, in bytes
	order binary.ByteOrder
	spans []span // what the loader maps
}

// span is a part of the file at the address the loader gives it, relative to the image's base.
type span struct{ addr, off, size uint64 }

// within tells whether n bytes at off lie in the file.
func (v *view) within(off, n uint64) bool {
	return off <= v.size && n <= v.size-off
}

// at returns n bytes at a file offset.
func (v *view) at(off, n uint64) ([]byte, error) {
	if !v.within(off, n) {
		return nil, errCut
	}
	if n > maxRead {
		return nil, errTooLong
	}
	b := make([]byte, n)
	if _, err := v.r.ReadAt(b, int64(off)); err != nil && !(errors.Is(err, io.EOF) && n == 0) {
		return nil, err // also io.EOF: the file became shorter while we read
	}
	return b, nil
}

// decode fills the structure s from a file offset.
func (v *view) decode(off uint64, s any) error {
	b, err := v.at(off, uint64(binary.Size(s)))
	if err != nil {
		return err
	}
	_, err = binary.Decode(b, v.order, s)
	return err
}

// mapSpan adds what the loader maps at addr. What the file does not have is left out.
func (v *view) mapSpan(addr, off, size uint64) {
	if off >= v.size {
		return
	}
	size = min(size, v.size-off)
	if size > 0 && addr+size > addr {
		v.spans = append(v.spans, span{addr, off, size})
	}
}

// locate translates an address to a file offset and the number of bytes that follow there.
func (v *view) locate(addr uint64) (off, n uint64, err error) {
	for _, s := range v.spans {
		if addr >= s.addr && addr-s.addr < s.size {
			return s.off + (addr - s.addr), s.size - (addr - s.addr), nil
		}
	}
	return 0, 0, fmt.Errorf("address %#x is %w", addr, errOutside)
}

// mem returns n bytes at an address.
func (v *view) mem(addr, n uint64) ([]byte, error) {
	off, have, err := v.locate(addr)
	if err != nil {
		return nil, err
	}
	if n > have {
		return nil, fmt.Errorf("%d bytes at address %#x are %w", n, addr, errOutside)
	}
	return v.at(off, n)
}

// memString returns the NUL-terminated string at an address, which has at most limit bytes.
func (v *view) memString(addr uint64, limit int) (string, error) {
	off, have, err := v.locate(addr)
	if err != nil {
		return "", err
	}
	b, err := v.at(off, min(have, uint64(limit)+1))
	if err != nil {
		return "", err
	}
	s, ok := cstring(b, limit)
	if !ok {
		return "", fmt.Errorf("the string at address %#x has no end", addr)
	}
	return s, nil
}

// cstring returns the string b begins with, if it ends within limit bytes.
func cstring(b []byte, limit int) (string, bool) {
	b = b[:min(len(b), limit+1)]
	n := bytes.IndexByte(b, 0)
	if n < 0 {
		return "", false
	}
	return string(b[:n]), true
}
