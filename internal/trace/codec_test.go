package trace

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// batch is one with everything in it.
func batch(t testing.TB) []byte {
	t.Helper()
	tap, to := &Tap{every: time.Hour}, &sink{}
	if err := tap.Set([]Subscription{{1, Filter{Body: 100}}}, to); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tap.Set(nil, nil) }()
	r := tap.Begin(&About{Request: 1 << 63})
	play(r)
	r.End()
	return to.b[1]
}

func TestDecodeDamaged(t *testing.T) {
	whole := batch(t)
	count := func(p []byte) (n int, err error) {
		err = Decode(p, func(*Event) error { n++; return nil })
		return n, err
	}
	all, err := count(whole)
	if err != nil || all != 8 {
		t.Fatalf("%d events, %v", all, err)
	}
	if n, err := Scan(whole, func(request, image uint64) {
		if request != 1<<63 || image != 3 {
			t.Errorf("request %d, image %d", request, image)
		}
	}); n != all || err != nil {
		t.Errorf("scan: %d events, %v", n, err)
	}
	ends := map[int]bool{0: true}
	for at := 0; at < len(whole); {
		at += 3 + int(whole[at]) + int(whole[at+1])<<8
		ends[at] = true
	}
	for i := range whole {
		if _, err := count(whole[:i]); (err == nil) != ends[i] {
			t.Errorf("cut after %d bytes: %v", i, err)
		}
	}
	own := errors.New("enough")
	if err := Decode(whole, func(*Event) error { return own }); !errors.Is(err, own) {
		t.Errorf("error of the caller: %v", err)
	}
}

// TestDecodeNewer: what a newer process says more is skipped.
func TestDecodeNewer(t *testing.T) {
	whole := batch(t)
	n := int(whole[0])
	newer := append([]byte{byte(n + 2), 0, 0}, whole[3:3+n]...)
	newer = append(newer, 1, 2)
	if err := Decode(newer, func(e *Event) error {
		if e.Func != HttpExtensionProc {
			t.Errorf("function %s", e.Func)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// FuzzDecode: whatever a worker sends can be read, shown and counted, and does nothing to a terminal.
func FuzzDecode(f *testing.F) {
	whole := batch(f)
	f.Add(whole)
	f.Add(whole[:20])
	other := []byte{21, 0, 0, byte(Call), 5, 1, 1, 0, 1, 0, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} // of another request
	f.Add(append(append(whole[:len(whole):len(whole)], other...), whole...))
	f.Add([]byte{3, 0, 0, 1, 2, 3})
	f.Fuzz(func(t *testing.T, p []byte) {
		var s Summary
		var w harmless
		print, colourful := NewPrinter(&w, false), NewPrinter(&harmless{any: true}, true)
		o, a := Origin{Image: string(p)}, About{URL: string(p)}
		var of [][2]uint64
		err := Decode(p, func(e *Event) error {
			of = append(of, [2]uint64{e.Request, e.Image})
			s.Add(e)
			w.Write(AppendJSON(nil, e, o, a))
			return errors.Join(print.Print(e, o, a), colourful.Print(e, o, a))
		})
		if err != nil && !errors.Is(err, errBatch) {
			t.Error(err)
		}
		if err := s.Print(&w); err != nil {
			t.Error(err)
		}
		if w.bad != "" {
			t.Errorf("%q is shown", w.bad)
		}
		var scanned [][2]uint64
		_, _ = Scan(p, func(request, image uint64) { scanned = append(scanned, [2]uint64{request, image}) })
		if len(scanned) < len(of) || !slices.Equal(scanned[:len(of)], of) {
			t.Errorf("requests and images %d, scanned %d", of, scanned)
		}
	})
}

// harmless is a terminal that looks for what could do something to it.
type harmless struct {
	any bool
	bad string
}

func (h *harmless) Write(p []byte) (int, error) {
	for _, r := range string(p) {
		if !h.any && r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e) && h.bad == "" {
			h.bad = string(p)
		}
	}
	return len(p), nil
}
