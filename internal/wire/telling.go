package wire

import (
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"math"

	"github.com/isapid/isapid/internal/executor"
)

// Most of what a text in these notes travels with, in bytes, and of what lists do.
const (
	maxWord     = 4 << 10
	maxStack    = 64
	MaxCounters = 1000 // in a note
	maxLabels   = 16   // texts of a counter
)

func word(s string) string { return s[:min(len(s), maxWord)] }

// EncodeFault is the payload of [NoteFaulted].
func EncodeFault(image uint64, f *executor.FaultInfo) []byte {
	c := clipFault(f)
	p, _ := json.Marshal(&c)
	return append(appendUint(nil, image), p...)
}

// DecodeFault is its other end.
func DecodeFault(p []byte) (image uint64, f *executor.FaultInfo, err error) {
	d := decoder{b: p}
	image = d.uint()
	var c executor.FaultInfo
	if d.bad || json.Unmarshal(d.b, &c) != nil {
		return 0, nil, protocolError("fault cannot be decoded")
	}
	c = clipFault(&c)
	return image, &c, nil
}

// clipFault is a fault that is short enough.
func clipFault(f *executor.FaultInfo) executor.FaultInfo {
	c := *f
	for _, s := range [...]*string{&c.Signal, &c.Meaning, &c.Call, &c.Text} {
		*s = word(*s)
	}
	c.Stack = nil
	for _, fr := range f.Stack[:min(len(f.Stack), maxStack)] {
		fr.Image, fr.Symbol, fr.Line = word(fr.Image), word(fr.Symbol), word(fr.Line)
		c.Stack = append(c.Stack, fr)
	}
	return c
}

// EncodeFound is the payload of [NoteFound]: what an image did, and how often since that was told last. Which image it was the other end
// says by its number.
func EncodeFound(image uint64, f *executor.Finding, times int) []byte {
	c := clipFinding(f)
	p, _ := json.Marshal(&c)
	return append(appendUint(appendUint(nil, image), uint64(max(times, 1))), p...)
}

// DecodeFound is its other end.
func DecodeFound(p []byte) (image uint64, f *executor.Finding, times int, err error) {
	d := decoder{b: p}
	image = d.uint()
	times = int(d.int(math.MaxInt32))
	var c executor.Finding
	if d.bad || times == 0 || json.Unmarshal(d.b, &c) != nil {
		return 0, nil, 0, protocolError("finding cannot be decoded")
	}
	c = clipFinding(&c)
	return image, &c, times, nil
}

// clipFinding is a finding that is short enough.
func clipFinding(f *executor.Finding) executor.Finding {
	c := *f
	c.Image, c.Stack = "", nil
	c.Kind, c.Call, c.Text = executor.FindingKind(word(string(c.Kind))), word(c.Call), word(c.Text)
	for _, s := range f.Stack[:min(len(f.Stack), maxStack)] {
		c.Stack = append(c.Stack, word(s))
	}
	return c
}

// Counter is a counter of an image that went up.
type Counter struct {
	Name   string
	Labels []string // pairs of name and value
	Delta  float64
}

// EncodeCounters is the payload of [NoteCounter]; there are at most [MaxCounters], with at most 16 labels each.
func EncodeCounters(image uint64, list []Counter) []byte {
	b := appendUint(appendUint(nil, image), uint64(len(list)))
	for _, c := range list {
		b = appendText(b, c.Name)
		b = appendUint(b, uint64(len(c.Labels)))
		for _, l := range c.Labels {
			b = appendText(b, l)
		}
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(c.Delta))
	}
	return b
}

// DecodeCounters is its other end. What names and numbers are good for is not looked at.
func DecodeCounters(p []byte) (image uint64, list []Counter, err error) {
	d := decoder{b: p}
	image = d.uint()
	for range min(d.count(1+1+8), MaxCounters) {
		c := Counter{Name: d.string()}
		for range min(d.count(1), maxLabels) {
			c.Labels = append(c.Labels, d.string())
		}
		if bits := d.raw(8); bits != nil {
			c.Delta = math.Float64frombits(binary.LittleEndian.Uint64(bits))
		}
		list = append(list, c)
	}
	return image, list, d.end("counters")
}

// EncodeLevel is the payload of [NoteLevel]; image 0 is the worker itself.
func EncodeLevel(image uint64, l slog.Level) []byte {
	return appendSigned(appendUint(nil, image), int64(l))
}

// DecodeLevel is its other end.
func DecodeLevel(p []byte) (image uint64, l slog.Level, err error) {
	d := decoder{b: p}
	image, l = d.uint(), slog.Level(d.signed())
	return image, l, d.end("level")
}
