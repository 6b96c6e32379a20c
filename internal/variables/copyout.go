package variables

import (
	"unicode/utf16"
	"unicode/utf8"

	"github.com/isapid/isapid/internal/ansi"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
)

// CopyOut stores text and a NUL under the buffer-size protocol: *size in is the room, out what was stored; when it is not
// enough, 122 and what it takes.
func CopyOut(text string, buf, size uintptr) isapi.Error {
	room, need := native.Read[uint32](size), uint32(len(text)+1)
	native.Write(size, need)
	if buf == 0 || room < need {
		return isapi.InsufficientBuffer
	}
	b := native.Bytes(buf, int(need))
	copy(b, text)
	b[need-1] = 0
	return isapi.OK
}

// CopyOutWide is CopyOut in UTF-16; sizes are bytes.
func CopyOutWide(text string, buf, size uintptr) isapi.Error {
	if !utf8.ValidString(text) {
		text = ansi.Decode(text)
	}
	u := utf16.Encode([]rune(text))
	room, need := native.Read[uint32](size), uint32(2*len(u)+2)
	native.Write(size, need)
	if buf == 0 || room < need {
		return isapi.InsufficientBuffer
	}
	b := native.Bytes(buf, int(need))
	for i, c := range append(u, 0) {
		b[2*i], b[2*i+1] = byte(c), byte(c>>8)
	}
	return isapi.OK
}
