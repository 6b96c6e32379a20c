package wire

import (
	"context"
	"log/slog"
	"time"
)

// Record is a line of a worker's log.
type Record struct {
	Image uint64 // whose it is; 0: the worker's own
	Time  time.Time
	Level slog.Level
	Text  string
	Attrs []slog.Attr
}

// Kinds of values in a record.
const (
	valueText = iota
	valueInt
	valueBool
	valueDuration
	valueKinds
)

// Append writes the record.
func (r *Record) Append(b []byte) []byte {
	b = appendUint(b, r.Image)
	b = appendSigned(b, r.Time.UnixNano())
	b = appendSigned(b, int64(r.Level))
	b = appendText(b, clip(r.Text))
	b = appendUint(b, uint64(len(r.Attrs)))
	for _, a := range r.Attrs {
		b = appendText(b, a.Key)
		switch v := a.Value.Resolve(); v.Kind() {
		case slog.KindInt64:
			b = appendSigned(append(b, valueInt), v.Int64())
		case slog.KindBool:
			b = appendBool(append(b, valueBool), v.Bool())
		case slog.KindDuration:
			b = appendSigned(append(b, valueDuration), int64(v.Duration()))
		default:
			b = appendText(append(b, valueText), clip(v.String()))
		}
	}
	return b
}

// DecodeRecord is the other end of Append.
func DecodeRecord(p []byte) (r Record, err error) {
	d := decoder{b: p}
	r.Image = d.uint()
	r.Time = time.Unix(0, d.signed())
	r.Level = slog.Level(d.signed())
	r.Text = d.string()
	for range d.count(3) {
		key := d.string()
		switch d.int(valueKinds - 1) {
		case valueInt:
			r.Attrs = append(r.Attrs, slog.Int64(key, d.signed()))
		case valueBool:
			r.Attrs = append(r.Attrs, slog.Bool(key, d.bool()))
		case valueDuration:
			r.Attrs = append(r.Attrs, slog.Duration(key, time.Duration(d.signed())))
		default:
			r.Attrs = append(r.Attrs, slog.String(key, d.string()))
		}
	}
	return r, d.end("record of the log")
}

// LogHandler is a [slog.Handler] that gives each record to Emit.
type LogHandler struct {
	Image uint64
	Level slog.Leveler
	Emit  func(*Record)
	attrs []slog.Attr
	group string
}

// Enabled implements [slog.Handler].
func (h *LogHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.Level.Level() }

// Handle implements [slog.Handler].
func (h *LogHandler) Handle(_ context.Context, r slog.Record) error {
	rec := Record{Image: h.Image, Time: r.Time, Level: r.Level, Text: r.Message, Attrs: h.attrs[:len(h.attrs):len(h.attrs)]}
	r.Attrs(func(a slog.Attr) bool {
		a.Key = h.group + a.Key
		rec.Attrs = append(rec.Attrs, a)
		return true
	})
	h.Emit(&rec)
	return nil
}

// WithAttrs implements [slog.Handler].
func (h *LogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)
	return &c
}

// WithGroup implements [slog.Handler]: the keys that follow begin with its name.
func (h *LogHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.group += name + "."
	return &c
}
