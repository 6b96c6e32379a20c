package wire

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/trace"
)

// TestPlain: all tests of this package hold for plain streams, too, but for those of what only descriptors can do.
func TestPlain(t *testing.T) {
	if plain {
		return
	}
	if testing.Short() {
		t.Skip("it runs all the others")
	}
	cmd := exec.Command(os.Args[0], "-test.timeout=5m")
	cmd.Env = append(os.Environ(), PlainByEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// twoPipes is a front and a worker over pipes, whatever the others are over.
func twoPipes(t *testing.T, serve func(*Exchange)) (front, worker *running) {
	t.Helper()
	a, b := pipes2(t)
	return run(t, a, &owner{}, true), run(t, b, &owner{serve: serve}, false)
}

// TestPlainFile: what a client has of a file when it leaves, when the file is shorter than it was, and when it cannot be read.
func TestPlainFile(t *testing.T) {
	content := make([]byte, 3<<20)
	_, _ = io.ReadFull(newRandom(len(content), 7), content)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		take int // bytes that the client takes; -1: all
		open func(f *os.File)
		n    int64 // bytes asked for, from 1000 on
		want int64 // that are sent; -1: fewer than asked for
		err  error
	}{
		{"part", -1, nil, 2 << 20, 2 << 20, nil},
		{"whole", -1, nil, 1 << 40, 3<<20 - 1000, nil},
		{"client leaves", 100_000, nil, 1 << 40, -1, syscall.ECONNRESET},
		{"closed", -1, func(f *os.File) { f.Close() }, 1 << 20, 0, os.ErrClosed},
	} {
		t.Run(c.what, func(t *testing.T) {
			leavesNothing(t)
			front, _ := twoPipes(t, func(x *Exchange) {
				f, err := os.Open(name)
				if err != nil {
					t.Error(err)
				}
				defer f.Close()
				_, _ = f.Seek(1000, io.SeekStart)
				x.WriteHeader(200)
				if c.open != nil {
					c.open(f)
				}
				n, err := x.copyFile(&io.LimitedReader{R: f, N: c.n})
				if n != c.want && c.want >= 0 || n >= c.n && c.want < 0 || !errors.Is(err, c.err) {
					t.Errorf("%d bytes are sent, %v", n, err)
				}
				x.End(ended(200))
			})
			var got bytes.Buffer
			w := &page{}
			w.write = func(p []byte) (int, error) {
				if c.take >= 0 && got.Len()+len(p) > c.take {
					return 0, errClosedPipe
				}
				return got.Write(p)
			}
			must(t, do(t, front, w, get(), nil, &client{}, nil))
			if !bytes.HasPrefix(content[1000:], got.Bytes()) || c.want >= 0 && int64(got.Len()) != c.want {
				t.Errorf("%d bytes came, and not those that were sent", got.Len())
			}
		})
	}
}

// TestPlainFileWaits: a file is read no faster than the client takes it.
func TestPlainFileWaits(t *testing.T) {
	leavesNothing(t)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	at, serving := make(chan int64, 1), make(chan *Exchange, 1)
	var f *os.File
	front, _ := twoPipes(t, func(x *Exchange) {
		var err error
		if f, err = os.Open(name); err != nil {
			t.Error(err)
		}
		defer f.Close()
		serving <- x
		n, err := x.ReadFrom(&io.LimitedReader{R: f, N: 4 << 20})
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes are sent, %v", n, err)
		}
		at <- n
		x.End(ended(200))
	})
	w, letGo := stuck(nopSum{})
	answer := do(t, front, w, get(), nil, &client{}, nil)
	x := soon(t, "the exchange", serving)
	until(t, "the window is used", func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.window == 0
	})
	_ = x.SetWriteDeadline(time.Now())
	if n := soon(t, "the deadline", at); n != Window {
		t.Errorf("%d bytes are read, want a window", n)
	}
	letGo()
	must(t, answer)
}

// TestPlainRefuses: on a plain stream what comes with a descriptor elsewhere is a broken rule, for it has none, and nobody is asked for one.
func TestPlainRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		send []byte
		want string
	}{
		"file":   {append(headFrame(3, 200), appendFrame(nil, kFile, 0, 3, numbers(0, 1))...), "FILE without a descriptor"},
		"region": {appendFrame(nil, kRegion, 0, 0, numbers(1)), "REGION 1, which was not offered"},
		"board":  {appendFrame(nil, kBoard, 0, 0, numbers(trace.BoardSize)), "BOARD without a descriptor"},
		"shared": {append(headFrame(3, 200), sharedFrame(3, 5)...), "DATA in a region, and none is lent"},
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			a, b := pipes2(t)
			p := &peer{side: b, t: t}
			defer b.Close()
			front := run(t, a, &owner{}, true)
			p.put(appendFrame(nil, kHello, 0, 0, nil))
			answer := do(t, front, &page{}, get(), nil, &client{}, nil)
			p.want(kRequest)
			p.put(c.send)
			if err := isProtocol(front.over(), c.want); err != nil {
				t.Error(err)
			}
			soon(t, "the end", answer)
		})
	}
	t.Run("descriptor", func(t *testing.T) {
		leavesNothing(t)
		a, b := pipes2(t)
		p := &peer{side: b, t: t}
		defer b.Close()
		front := run(t, a, &owner{}, true)
		p.put(appendFrame(nil, kHello, 0, 0, nil))
		asked := &client{question: func(Topic, []byte) (bool, []byte, *os.File) { t.Error("it is asked"); return false, nil, nil }}
		answer := do(t, front, &page{}, get(), nil, asked, nil)
		p.want(kRequest)
		p.put(appendFrame(nil, kCall, 0, 3, numbers(1, uint64(AskDescriptor))))
		if f := p.want(kReply); f.flags != flagFailed {
			t.Errorf("%+v", f)
		}
		p.put(resultFrame(3))
		must(t, answer)
	})
	t.Run("of the worker", func(t *testing.T) {
		for name, c := range map[string]struct {
			send []byte
			want string
		}{
			"region": {appendFrame(nil, kRegion, 0, 0, numbers(1)), "REGION without a descriptor"},
			"board":  {appendFrame(nil, kBoard, 0, 0, numbers(trace.BoardSize)), "BOARD without a descriptor"},
		} {
			t.Run(name, func(t *testing.T) {
				leavesNothing(t)
				a, b := pipes2(t)
				defer b.Close()
				worker := run(t, a, &owner{}, false)
				(&peer{side: b, t: t}).put(append(appendFrame(nil, kHello, 0, 0, nil), c.send...))
				if err := isProtocol(worker.over(), c.want); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// TestPlainNoRegions: large bodies go through the pipes, both ways, and nothing is lent.
func TestPlainNoRegions(t *testing.T) {
	leavesNothing(t)
	const size = 3 << 20
	front, _ := twoPipes(t, func(x *Exchange) {
		n, err := io.Copy(x, x.Body())
		if n != size || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		x.End(ended(200))
	})
	w := &page{}
	must(t, do(t, front, w, post(size), io.LimitReader(endless{}, size), &client{}, nil))
	if w.n != size || front.mem.made != 0 {
		t.Errorf("%d bytes came back, and there are %d regions", w.n, front.mem.made)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestBoardFile: what is written to the memory of a board that is a file can be read from the file, and only a file of its size is one.
func TestBoardFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "board")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(trace.BoardSize - 1); err != nil {
		t.Fatal(err)
	}
	if _, err := MapBoardFile(name); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("a short board: %v", err)
	}
	if err := f.Truncate(trace.BoardSize); err != nil {
		t.Fatal(err)
	}
	others := []string{name + "-none", t.TempDir()}
	if link := name + "-link"; os.Symlink(name, link) == nil {
		others = append(others, link)
	}
	for _, other := range others {
		if _, err := MapBoardFile(other); err == nil {
			t.Errorf("%s is a board", other)
		}
	}
	mem, err := MapBoardFile(name) // a worker has it until it ends
	if err != nil {
		t.Fatal(err)
	}
	defer unmap(t, mem)
	copy(mem[5000:], "what was done")
	got := make([]byte, 13)
	if _, err := f.ReadAt(got, 5000); err != nil || string(got) != "what was done" {
		t.Errorf("%q, %v", got, err)
	}
}
