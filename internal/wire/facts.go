package wire

import (
	"github.com/isapid/isapid/internal/executor"
)

// EncodeMapping is the answer to [AskMap].
func EncodeMapping(m executor.Mapping) []byte { return appendMapping(nil, m) }

func appendMapping(b []byte, m executor.Mapping) []byte {
	b = appendText(b, m.Path)
	b = appendUint(b, uint64(m.Flags))
	b = appendUint(b, uint64(m.MatchedPath))
	return appendUint(b, uint64(m.MatchedURL))
}

// DecodeMapping is its other end.
func DecodeMapping(p []byte) (m executor.Mapping, err error) {
	d := decoder{b: p}
	m = d.mapping()
	return m, d.end("mapping")
}

func (d *decoder) mapping() (m executor.Mapping) {
	m.Path = d.string()
	m.Flags = uint32(d.int(1<<32 - 1))
	m.MatchedPath, m.MatchedURL = int(d.int(1<<31)), int(d.int(1<<31))
	return m
}
