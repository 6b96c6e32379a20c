package native

import (
	"errors"
	"testing"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/testext"
)

type writer struct {
	silent
	got []byte
}

func (w *writer) WriteClient(buf, size uintptr, flags uint32) isapi.Error {
	w.got = append(w.got, Bytes(buf, int(Read[uint32](size)))...)
	return isapi.OK
}

func TestHello(t *testing.T) {
	l := open(t, staged(t, testext.Fixture(t, "hello"), "hello.dll"))
	info, ok, _, err := GetExtensionVersion(l.Lookup("GetExtensionVersion"), 1)
	t.Logf("%+v %t %v", info, ok, err)
	w := &writer{}
	s := NewSlot(w)
	defer s.Release()
	s.Fill(&Texts{Method: "GET", QueryString: "a=b"}, 0, nil)
	status, err := HTTPExtensionProc(l.Lookup("HttpExtensionProc"), s)
	t.Logf("%d %v %q", status, err, w.got)
	if err != nil || len(w.got) == 0 {
		t.Error("no answer")
	}
	if unloaded, err := l.Close(); !unloaded || err != nil {
		t.Errorf("close: %t %v", unloaded, err)
	}
}

func TestSegv(t *testing.T) {
	l := open(t, staged(t, testext.Fixture(t, "crash"), "crash.dll"))
	defer l.Close()
	s := NewSlot(silent{})
	defer s.Release()
	s.Fill(&Texts{QueryString: "segv"}, 0, nil)
	_, err := HTTPExtensionProc(l.Lookup("HttpExtensionProc"), s)
	var f *Fault
	if !errors.As(err, &f) {
		t.Fatal(err)
	}
	t.Log(f, "\n"+f.StackText())
}
