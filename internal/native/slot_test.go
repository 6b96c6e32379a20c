//go:build windows || (unix && cgo)

package native

import (
	"sync"
	"testing"
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/trace"
)

type silent struct{}

func (silent) GetServerVariable(name, buf, size uintptr) isapi.Error   { return isapi.OK }
func (silent) WriteClient(buf, size uintptr, flags uint32) isapi.Error { return isapi.OK }
func (silent) ReadClient(buf, size uintptr) isapi.Error                { return isapi.OK }
func (silent) ServerSupportFunction(code isapi.Code, buf, size, dataType uintptr) isapi.Error {
	return isapi.OK
}

func TestSlotIsFoundByItsAddressOnly(t *testing.T) {
	s := NewSlot(silent{})
	defer s.Release()
	h := enter(s.Addr(), trace.WriteClient, 0)
	if h == nil {
		t.Fatal("a live slot was not found")
	}
	h.leave()
	for _, conn := range []uintptr{0, 1, s.Addr() + 1, s.Addr() + 8, s.Addr() - 1, s.Addr() + cellSize/2, ^uintptr(0), s.Addr() + 1<<(unsafe.Sizeof(uintptr(0))*5)} {
		if enter(conn, trace.WriteClient, 0) != nil {
			t.Errorf("0x%x was taken for a slot; the slot is 0x%x", conn, s.Addr())
		}
	}
}

// TestSlotQuarantine: a released slot is no request, and is not used again for as long as is promised.
func TestSlotQuarantine(t *testing.T) {
	s := NewSlot(silent{})
	addr := s.Addr()
	s.Release()
	if enter(addr, trace.WriteClient, 0) != nil {
		t.Fatal("a released slot was entered")
	}
	for i := range quarantine {
		n := NewSlot(silent{})
		if n.Addr() == addr {
			t.Fatalf("the slot was used again after %d others, want at least %d", i, quarantine)
		}
		n.Release()
	}
}

func TestDetachWaitsForCallbacks(t *testing.T) {
	s := NewSlot(silent{})
	h := enter(s.Addr(), trace.WriteClient, 0)
	detached := make(chan struct{})
	go func() { defer close(detached); s.Detach() }()
	for {
		late := enter(s.Addr(), trace.WriteClient, 0)
		if late == nil {
			break // Detach has begun
		}
		late.leave()
	}
	select {
	case <-detached:
		t.Fatal("detached while a callback was inside")
	default:
	}
	h.leave()
	<-detached
	s.Release()
}

// TestDetachUnderLoad has callbacks come and go while slots are given back.
func TestDetachUnderLoad(t *testing.T) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				s := NewSlot(silent{})
				var callers sync.WaitGroup
				for range 3 {
					callers.Go(func() {
						for h := enter(s.Addr(), trace.WriteClient, 0); h != nil; h = enter(s.Addr(), trace.WriteClient, 0) {
							h.leave()
						}
					})
				}
				s.Detach()
				callers.Wait()
				s.Release()
			}
		})
	}
	wg.Wait()
}
