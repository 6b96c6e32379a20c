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

// ldCache is the content of the file in which glibc's loader looks libraries up, from its magic on; empty if there is none of a form
// we know: then the loader has only its standard folders, too.
type ldCache []byte

func readLdCache(path string) ldCache {
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

// The form of glibc 2.2 and later, which may stand behind one in the form before it. Its numbers are in the byte order of this
// machine.
const ldCacheHeader, ldCacheEntry = 48, 24

func parseLdCache(b []byte) ldCache {
	start := bytes.Index(b, []byte(ldCacheMagic))
	if start < 0 || len(b)-start < ldCacheHeader {
		return nil
	}
	return b[start:]
}

// paths are those the loader knows for a name, in its order of preference.
func (c ldCache) paths(name string) (list []string) {
	if len(c) == 0 || name == "" {
		return nil
	}
	key := append([]byte(name), 0)
	n := binary.NativeEndian.Uint32(c[len(ldCacheMagic):])
	for rest := c[ldCacheHeader:]; n > 0 && len(rest) >= ldCacheEntry; n-- {
		if bytes.HasPrefix(c.from(rest[4:]), key) {
			if path, ok := cstring(c.from(rest[8:]), maxNameLen); ok && path != "" {
				list = append(list, path)
			}
		}
		rest = rest[ldCacheEntry:]
	}
	return list
}

// from is the text at the offset that b begins with, and what follows it.
func (c ldCache) from(b []byte) []byte {
	at := binary.NativeEndian.Uint32(b)
	return c[min(uint64(at), uint64(len(c))):]
}
