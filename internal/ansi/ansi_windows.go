package ansi

import (
	"sync"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"golang.org/x/sys/windows"
)

const (
	utf8Page          = 65001
	noBestFit         = 0x400 // WC_NO_BEST_FIT_CHARS
	unknownCharacters = '?'   // no file has it in its name
)

var (
	codePage            = sync.OnceValue(windows.GetACP)
	wideCharToMultiByte = windows.NewLazySystemDLL("kernel32.dll").NewProc("WideCharToMultiByte")
)

// Encode is text, which is UTF-8, in the code page of this process. A character that has none there is a question mark, never another one
// that looks like it. Bytes that are no UTF-8 have come from somebody who meant the code page: they stay as they are.
func Encode(text string) string { return encode(codePage(), text) }

func encode(page uint32, text string) string {
	if Plain(text) || page == utf8Page || !utf8.ValidString(text) {
		return text
	}
	wide, err := windows.UTF16FromString(text)
	if err != nil { // a NUL
		return text
	}
	if b := narrow(page, noBestFit, wide); b != "" {
		return b
	}
	return narrow(page, 0, wide) // a few code pages know no flags
}

// narrow is wide, whose NUL does not count, in a code page; "" for an error.
func narrow(page, flags uint32, wide []uint16) string {
	buf := make([]byte, 4*len(wide))
	unknown := [2]byte{unknownCharacters}
	n, _, _ := wideCharToMultiByte.Call(uintptr(page), uintptr(flags), uintptr(unsafe.Pointer(&wide[0])), uintptr(len(wide)-1),
		uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), uintptr(unsafe.Pointer(&unknown)), 0)
	return string(buf[:n])
}

// Decode is a text in the code page of this process as UTF-8.
func Decode(text string) string { return decode(codePage(), text) }

func decode(page uint32, text string) string {
	if Plain(text) || page == utf8Page {
		return text
	}
	buf := make([]uint16, len(text))
	n, err := windows.MultiByteToWideChar(page, 0, unsafe.StringData(text), int32(len(text)), &buf[0], int32(len(buf)))
	if err != nil {
		return text
	}
	return string(utf16.Decode(buf[:n]))
}
