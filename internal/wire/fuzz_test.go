package wire

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/isapid/isapid/internal/executor"
)

// FuzzFrame: a stream of frames is taken apart, and what was accepted is the same when it is put together again.
func FuzzFrame(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, kHello, 0, 0, []byte("{}")), kData, flagFlush, 3, []byte("abc")))
	f.Add(appendNumber(nil, kWindow, 3, Window))
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			fr, size, err := parseFrame(b)
			if err != nil || size > len(b) {
				return
			}
			if again := appendFrame(nil, fr.kind, fr.flags, fr.id, fr.payload); !bytes.Equal(again, b[:size]) {
				t.Fatalf("%x became %x", b[:size], again)
			}
			b = b[size:]
		}
	})
}

// again checks that a decoded message is the same after another round trip.
func again[T any](t *testing.T, what T, encode func(T) []byte, decode func([]byte) (T, error)) {
	t.Helper()
	got, err := decode(encode(what))
	if err != nil || !reflect.DeepEqual(got, what) {
		t.Fatalf("%v\n got %+v\nwant %+v", err, got, what)
	}
}

// FuzzRequest: what is accepted as a request is one, and an http.Request can be made of it or is refused.
func FuzzRequest(f *testing.F) {
	m := maker{rand.New(rand.NewPCG(1, 1))}
	for range 10 {
		f.Add(m.request().append(nil))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		q, err := decodeRequest(p)
		if err != nil {
			return
		}
		again(t, q, func(q *Request) []byte { return q.append(nil) }, decodeRequest)
		if _, err := q.HTTP.Request(t.Context(), nil); err == nil {
			q.HTTP.ServerCertificate()
		}
	})
}

// FuzzHead does the same for heads.
func FuzzHead(f *testing.F) {
	m := maker{rand.New(rand.NewPCG(1, 1))}
	for range 10 {
		h := head{200, m.text(), m.header()}
		f.Add(h.append(nil))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if h, err := decodeHead(p); err == nil {
			again(t, h, func(h head) []byte { return h.append(nil) }, decodeHead)
		}
	})
}

// FuzzResult does the same for results.
func FuzzResult(f *testing.F) {
	m := maker{rand.New(rand.NewPCG(1, 1))}
	for range 10 {
		r := m.result()
		f.Add(r.append(nil))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if r, err := decodeResult(p); err == nil {
			again(t, r, func(r Result) []byte { return r.append(nil) }, decodeResult)
		}
	})
}

// FuzzTold does the same for what a worker tells of its images.
func FuzzTold(f *testing.F) {
	m := maker{rand.New(rand.NewPCG(1, 1))}
	for range 10 {
		f.Add(EncodeFault(1, m.fault()))
		f.Add(EncodeFound(1, m.finding(), 2))
		f.Add(EncodeCounters(1, m.counters()))
		f.Add(EncodeLevel(1, 4))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if _, fault, err := DecodeFault(p); err == nil {
			again(t, fault, func(f *executor.FaultInfo) []byte { return EncodeFault(1, f) }, func(p []byte) (*executor.FaultInfo, error) {
				_, f, err := DecodeFault(p)
				return f, err
			})
		}
		if _, found, times, err := DecodeFound(p); err == nil && (times < 1 || len(found.Stack) > maxStack || len(found.Text) > maxWord) {
			t.Fatalf("%d times %+v", times, found)
		}
		if _, list, err := DecodeCounters(p); err == nil {
			EncodeCounters(1, list)
		}
		_, _, _ = DecodeLevel(p)
	})
}

// FuzzRecord does the same for lines of a log.
func FuzzRecord(f *testing.F) {
	m := maker{rand.New(rand.NewPCG(1, 1))}
	for range 10 {
		r := m.record()
		f.Add(r.Append(nil))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if r, err := DecodeRecord(p); err == nil {
			again(t, r, func(r Record) []byte { return r.Append(nil) }, DecodeRecord)
		}
	})
}
