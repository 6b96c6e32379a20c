package reply

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"
)

const sectionText = "0123456789"

// handleOf opens a new file with sectionText as an image may: overlapped or not.
func handleOf(t *testing.T, flags uint32) windows.Handle {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(sectionText), 0o600); err != nil {
		t.Fatal(err)
	}
	return openHandle(t, path, flags)
}

func openHandle(t *testing.T, path string, flags uint32) windows.Handle {
	t.Helper()
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := windows.CreateFile(name, windows.GENERIC_READ, 0, nil, windows.OPEN_EXISTING, flags, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = windows.CloseHandle(h) })
	return h
}

func position(t *testing.T, h windows.Handle) int64 {
	t.Helper()
	at, err := windows.Seek(h, 0, io.SeekCurrent)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestSectionHandles: nobody else may open the file, its position stays, and the handle is the image's as before.
func TestSectionHandles(t *testing.T) {
	for name, flags := range map[string]uint32{
		"synchronous": windows.FILE_ATTRIBUTE_NORMAL,
		"sequential":  windows.FILE_FLAG_SEQUENTIAL_SCAN,
		"overlapped":  windows.FILE_FLAG_OVERLAPPED | windows.FILE_FLAG_SEQUENTIAL_SCAN,
	} {
		t.Run(name, func(t *testing.T) {
			h := handleOf(t, flags)
			if flags&windows.FILE_FLAG_OVERLAPPED == 0 {
				if _, err := windows.Seek(h, 3, io.SeekStart); err != nil {
					t.Fatal(err)
				}
			}
			before := position(t, h)
			for _, c := range []struct {
				off, n int64
				want   string
			}{{0, 0, sectionText}, {4, 0, "456789"}, {4, 2, "45"}, {8, 100, "89"}, {10, 0, ""}} {
				s, err := OpenSection(uintptr(h), c.off, c.n)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(s.reader())
				if string(got) != c.want || err != nil || s.short(int64(len(got))) {
					t.Errorf("%d bytes at %d: %q, %v, want %q", c.n, c.off, got, err, c.want)
				}
				s.Close()
			}
			if at := position(t, h); at != before {
				t.Errorf("the position is %d, want %d as before", at, before)
			}
			if _, err := OpenSection(uintptr(h), 11, 0); !errors.Is(err, ErrOffset) {
				t.Errorf("an offset past the end: %v, want ErrOffset", err)
			}
		})
	}
}

// TestSectionOfAnAssociatedHandle: the completion port of an image is told nothing of our reads, whose results would be nothing to it.
func TestSectionOfAnAssociatedHandle(t *testing.T) {
	h := handleOf(t, windows.FILE_FLAG_OVERLAPPED)
	port, err := windows.CreateIoCompletionPort(h, 0, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = windows.CloseHandle(port) })
	s, err := OpenSection(uintptr(h), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(s.reader()); string(got) != sectionText || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	s.Close()
	if err := windows.PostQueuedCompletionStatus(port, 0, 2, nil); err != nil {
		t.Fatal(err)
	}
	var n uint32
	var key uintptr
	var o *windows.Overlapped
	if err := windows.GetQueuedCompletionStatus(port, &n, &key, &o, windows.INFINITE); err != nil || key != 2 {
		t.Errorf("the port has heard of key %d (%v), want 2, what the test has posted", key, err)
	}
}

// TestSectionOutlivesItsHandle: the image closes its handle while the file is sent; the number may be another file's then.
func TestSectionOutlivesItsHandle(t *testing.T) {
	h := handleOf(t, 0)
	s, err := OpenSection(uintptr(h), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := windows.CloseHandle(h); err != nil {
		t.Fatal(err)
	}
	other := handleOf(t, 0)
	if _, err := windows.Seek(other, 5, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(s.reader()); string(got) != sectionText || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestSectionOfAPipe(t *testing.T) {
	var r, w windows.Handle
	if err := windows.CreatePipe(&r, &w, nil, 0); err != nil {
		t.Fatal(err)
	}
	defer windows.CloseHandle(r)
	var n uint32
	if err := windows.WriteFile(w, []byte(sectionText), &n, nil); err != nil {
		t.Fatal(err)
	}
	if err := windows.CloseHandle(w); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSection(uintptr(r), 1, 0); !errors.Is(err, ErrOffset) {
		t.Errorf("an offset into a pipe: %v, want ErrOffset", err)
	}
	for _, c := range []struct {
		n    int64
		want string
	}{{4, "0123"}, {0, "456789"}} {
		s, err := OpenSection(uintptr(r), 0, c.n)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(s.reader()); string(got) != c.want || err != nil {
			t.Errorf("%d bytes: %q, %v, want %q", c.n, got, err, c.want)
		}
		s.Close()
	}
}

// TestSectionOfNothing: what is no file is an error before anything is sent.
func TestSectionOfNothing(t *testing.T) {
	closed := handleOf(t, 0)
	if err := windows.CloseHandle(closed); err != nil {
		t.Fatal(err)
	}
	event, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer windows.CloseHandle(event)
	for name, h := range map[string]uintptr{
		"INVALID_HANDLE_VALUE, which is this process, too": ^uintptr(0),
		"this thread": ^uintptr(1),
		"closed":      uintptr(closed),
		"nowhere":     0x7ead0000,
		"an event":    uintptr(event),
		"a folder":    uintptr(openHandle(t, t.TempDir(), windows.FILE_FLAG_BACKUP_SEMANTICS)),
	} {
		if _, err := OpenSection(h, 0, 0); err == nil || errors.Is(err, ErrOffset) {
			t.Errorf("%s: %v", name, err)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
}

// TestSectionCutShort: a file that loses its end is told from one that was sent.
func TestSectionCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(sectionText), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := OpenSection(f.Fd(), 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := f.Truncate(5); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(s.reader())
	if string(got) != "234" || err != nil || !s.short(int64(len(got))) {
		t.Errorf("%q, %v, short %v", got, err, s.short(int64(len(got))))
	}
}
