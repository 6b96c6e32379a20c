package image

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
)

// sniff says what a file is by its first bytes (up to 4096; fewer only if it has fewer).
func sniff(head []byte) Format {
	switch {
	case len(head) == 0:
		return FormatEmpty
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return FormatELF
	case bytes.HasPrefix(head, []byte("MZ")) && !isText(head):
		return sniffDOS(head)
	case bytes.HasPrefix(head, []byte("!<arch>\n")), bytes.HasPrefix(head, []byte("!<thin>\n")):
		return FormatArchive
	case bytes.HasPrefix(head, []byte("#!")):
		return FormatScript
	case isMachO(head):
		return FormatMachO
	case isText(head):
		return FormatText
	}
	return FormatUnknown
}

// sniffDOS tells a PE file from the programs that came before. A file too short to say is a PE file that was cut off.
func sniffDOS(head []byte) Format {
	if len(head) < 64 {
		return FormatPE
	}
	at := uint64(binary.LittleEndian.Uint32(head[60:]))
	if at+4 > uint64(len(head)) {
		if at >= 64 {
			return FormatPE // too far away to see, or cut off: the parser finds out
		}
		return FormatDOS
	}
	if bytes.Equal(head[at:at+4], []byte("PE\x00\x00")) {
		return FormatPE
	}
	return FormatDOS
}

func isMachO(head []byte) bool {
	if len(head) < 8 {
		return false
	}
	switch binary.LittleEndian.Uint32(head) {
	case 0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe:
		return true
	}
	// A universal binary shares its magic with Java classes, whose version (45 and up) stands where the number of
	// architectures does.
	return binary.BigEndian.Uint32(head) == 0xcafebabe && binary.BigEndian.Uint32(head[4:]) < 45
}

// isText tells whether b, the beginning of a file, reads as text in any encoding that contains ASCII: sources of that age
// are rarely UTF-8.
func isText(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool {
		return r < ' ' && !strings.ContainsRune("\t\n\v\f\r\x1b", r)
	})
}

var (
	goMark     = []byte("\xff Go buildinf:")
	pascalMark = regexp.MustCompile(`FPC \d+\.\d+\.\d+\S* \[\d{4}/\d\d/\d\d\] for `)
)

// markOverlap is as long as the longest mark, so that one lying across two writes is seen.
const markOverlap = 64

// markScanner looks for what the Go linker and the Free Pascal compiler leave in everything they make, also after strip.
type markScanner struct {
	tail               []byte
	golang, freePascal bool
}

func (s *markScanner) Write(p []byte) (int, error) {
	s.scan(slices.Concat(s.tail, p[:min(len(p), markOverlap)]))
	s.scan(p)
	s.tail = append(s.tail, p[max(0, len(p)-markOverlap):]...)
	s.tail = s.tail[max(0, len(s.tail)-markOverlap):]
	return len(p), nil
}

func (s *markScanner) scan(b []byte) {
	s.golang = s.golang || bytes.Contains(b, goMark)
	if at := bytes.Index(b, []byte("FPC ")); at >= 0 && !s.freePascal {
		s.freePascal = pascalMark.Match(b[at:])
	}
}
