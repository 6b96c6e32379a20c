package image

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
)

// maxLdCache is the largest loader cache that is read, in bytes. A full desktop's has some 200 kB.
const maxLdCache = 16 << 20

const ldCacheMagic = "glibc-ld.so.cache1.1"

// readLdCache returns the paths glibc's loader knows for each name, in its order of preference. A cache that is missing or
// of another form gives none: then the loader has only its standard folders, too.
func readLdCache(path string) map[string][]string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxLdCache))
	if err != nil {
		return nil
	}
	return parseLdCache(b)
}

// parseLdCache reads the form of glibc 2.2 and later, which may stand behind one in the form before it. Its numbers are in
// the byte order of this machine.
func parseLdCache(b []byte) map[string][]string {
	const header, entry = 48, 24
	start := bytes.Index(b, []byte(ldCacheMagic))
	if start < 0 || len(b)-start < header {
		return nil
	}
	b = b[start:]
	text := func(at uint32) string {
		if uint64(at) >= uint64(len(b)) {
			return ""
		}
		s, _ := cstring(b[at:], maxNameLen)
		return s
	}
	known := map[string][]string{}
	n := binary.NativeEndian.Uint32(b[len(ldCacheMagic):])
	for rest := b[header:]; n > 0 && len(rest) >= entry; n-- {
		name, path := text(binary.NativeEndian.Uint32(rest[4:])), text(binary.NativeEndian.Uint32(rest[8:]))
		if name != "" && path != "" {
			known[name] = append(known[name], path)
		}
		rest = rest[entry:]
	}
	return known
}
