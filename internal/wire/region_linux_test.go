package wire

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/executor"
)

func regionFrame(n uint64) []byte { return appendFrame(nil, kRegion, 0, 0, numbers(n)) }

func lendFrame(id, n uint64, body bool) []byte {
	return appendFrame(nil, kLend, 0, id, appendBool(numbers(n), body))
}

func sharedBody(id uint64, n uint32) []byte {
	b := appendNumber(nil, kBody, id, n)
	b[5] = flagRegion
	return b
}

// count tells how many regions a link has, and how many of them are free.
func (l *Link) count() (all, free int) {
	l.mem.mu.Lock()
	defer l.mem.mu.Unlock()
	for _, r := range l.mem.all {
		if r != nil {
			all++
		}
	}
	return all, len(l.mem.free)
}

// warm makes an end have n regions that are free, by exchanges with large answers that the worker has to serve.
func warm(t *testing.T, front *running, n int) {
	t.Helper()
	until(t, fmt.Sprintf("%d regions are free", n), func() bool {
		w := &page{write: func(p []byte) (int, error) { return len(p), nil }}
		must(t, do(t, front, w, get(), nil, &client{}, nil))
		_, free := front.count()
		return free >= n
	})
}

// TestRegions: large bodies go through regions, both ways, come as they were sent, and the regions are used again.
func TestRegions(t *testing.T) {
	descriptors(t)
	leavesNothing(t)
	const size = 8 << 20
	front, _ := pair(t, func(x *Exchange) {
		down := newRandom(size, 99)
		var writing sync.WaitGroup
		writing.Go(func() {
			if n, err := io.CopyBuffer(writerOnly{x}, down, make([]byte, 77_777)); n != size || err != nil {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
		up := sha256.New()
		if n, err := io.CopyBuffer(up, x.Body(), make([]byte, 99_999)); n != size || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		writing.Wait()
		x.mu.Lock()
		through := fmt.Sprint(x.down.region != nil, x.upUsed)
		x.mu.Unlock()
		x.End(Result{Result: executor.Result{LogData: fmt.Sprintf("%x %x", up.Sum(nil), down.sum.Sum(nil)), LogQuery: through}})
	})
	ready := false // the first ones may be over before there is a region
	for i := 0; i < 20; {
		up, down := newRandom(size, uint64(i)+7), sha256.New()
		res := must(t, do(t, front, &page{write: down.Write}, post(size), up, &client{}, nil))
		if want := fmt.Sprintf("%x %x", up.sum.Sum(nil), down.Sum(nil)); res.LogData != want {
			t.Errorf("sums are %s, want %s", res.LogData, want)
		}
		all, free := front.count()
		if ready && (res.LogQuery != "true true" || all != 2 || free != 2) {
			t.Errorf("exchange %d had regions for answer and body: %s; %d of %d are free", i, res.LogQuery, free, all)
		}
		if ready = ready || free == 2; ready {
			i++
		}
	}
}

// big serves an answer of some MiB.
func big(x *Exchange) {
	_, _ = io.CopyN(writerOnly{x}, zeros{}, 4<<20)
	x.End(ended(200))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestRegionsBounded: there are no more than maxRegions, and who finds none free gets its answer through the socket.
func TestRegionsBounded(t *testing.T) {
	descriptors(t)
	leavesNothing(t)
	const many = 2 * maxRegions
	front, worker := pair(t, big)
	var inside, all sync.WaitGroup
	gate := make(chan struct{})
	inside.Add(many)
	for range many {
		all.Go(func() {
			n := 0
			w := &page{write: func(p []byte) (int, error) {
				before := n
				if n += len(p); before < 3<<20 && n >= 3<<20 { // each of them wanted a region before that
					inside.Done()
					<-gate
				}
				return len(p), nil
			}}
			must(t, do(t, front, w, get(), nil, &client{}, nil))
			if n != 4<<20 {
				t.Errorf("%d bytes came", n)
			}
		})
	}
	inside.Wait()
	close(gate)
	all.Wait()
	for _, l := range []*running{front, worker} {
		if n, _ := l.count(); n != maxRegions {
			t.Errorf("there are %d regions", n)
		}
	}
}

// TestRegionRefused: a worker that cannot map a region is offered no other, and gets and gives bodies as ever.
func TestRegionRefused(t *testing.T) {
	descriptors(t)
	leavesNothing(t)
	front, p := against(t, &owner{})
	w := &page{}
	answer := do(t, front, w, get(), nil, &client{}, nil)
	p.want(kRequest)
	p.put(join(headFrame(3, 200), many(2, dataFrame(3, maxData))))
	p.want(kRegion)
	p.put(appendFrame(nil, kRegion, flagFailed, 0, numbers(1)))
	for range 4 {
		p.put(many(2, dataFrame(3, maxData)))
		if f, err := p.next(); err != nil || f.kind != kWindow {
			t.Fatalf("%v, %v", f.kind, err)
		}
	}
	p.put(resultFrame(3))
	must(t, answer)
	if w.n != 10*maxData {
		t.Errorf("%d bytes came", w.n)
	}
}

// lent brings exchange 3 of a front to where its answer goes through region 1.
func lent(p *peer) {
	p.t.Helper()
	p.put(join(headFrame(3, 200), many(2, dataFrame(3, maxData))))
	p.want(kRegion)
	p.put(join(regionFrame(1), many(2, dataFrame(3, maxData))))
	if f := p.want(kLend); f.id != 3 || !bytes.Equal(f.payload, numbers(1, 0)) {
		p.t.Fatalf("%+v", f)
	}
}

// TestHostileRegionsOfWorker: what a worker can do wrong about regions ends the link.
func TestHostileRegionsOfWorker(t *testing.T) {
	descriptors(t)
	for _, c := range []struct {
		name string
		lent bool
		send []byte
		want string
	}{
		{"answer to nothing", false, regionFrame(1), "REGION 1, which was not offered"},
		{"answer to nothing, 0", false, regionFrame(0), "REGION 0, which was not offered"},
		{"answer twice", true, regionFrame(1), "REGION 1, which was not offered"},
		{"answer, other", true, regionFrame(2), "REGION 2, which was not offered"},
		{"answer, endless", true, regionFrame(1 << 63), "REGION 9223372036854775808, which was not offered"},
		{"answer, noise", true, appendFrame(nil, kRegion, 0, 0, []byte{0xff}), "REGION cannot be decoded"},
		{"credit", true, appendNumber(nil, kCredit, 3, 1), "CREDIT for a body that is complete"},
		{"no region", false, join(headFrame(3, 200), sharedFrame(3, 1)), "DATA in a region, and none is lent"},
		{"before head", true, join(childFrame(2, 3), sharedFrame(2, 1)), "DATA for exchange 2, which is not open"},
		{"nothing", true, sharedFrame(3, 0), "DATA of 0 bytes in a region"},
		{"too much", true, sharedFrame(3, regionSize+1), "DATA of 2097153 bytes in a region"},
		{"endless", true, sharedFrame(3, 1<<32-1), "DATA of 4294967295 bytes in a region"},
		{"beyond the window", true, join(sharedFrame(3, regionSize), sharedFrame(3, 1)), "more than 2097152 bytes of an answer are on their way"},
		{"short", true, appendFrame(nil, kData, flagRegion, 3, []byte{1}), "DATA of 1 bytes, want 4"},
		{"long", true, appendFrame(nil, kData, flagRegion, 3, make([]byte, 5)), "DATA of 5 bytes, want 4"},
		{"behind the end", true, join(resultFrame(3), sharedFrame(3, 1)), "DATA for exchange 3, which is not open"},
		{"lend", true, join(childFrame(2, 3), lendFrame(2, 1, false)), "LEND by a worker"},
		{"lend to nothing", true, lendFrame(3, 1, false), "LEND for exchange 3, which was never opened"},
		{"body of a child", true, join(childFrame(2, 3), sharedBody(2, 1)), "BODY after its end"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			leavesNothing(t)
			front, p := against(t, &owner{})
			gate := make(chan struct{})
			w, n := &page{}, 0
			w.write = func(b []byte) (int, error) {
				if n += len(b); n > 4*maxData { // a client that takes nothing of the region
					<-gate
				}
				return len(b), nil
			}
			a := &client{child: func(x *Exchange) { <-x.Context().Done(); x.End(Result{}) }}
			answer := do(t, front, w, get(), nil, a, nil)
			p.want(kRequest)
			if c.lent {
				lent(p)
			}
			p.put(c.send)
			if err := isProtocol(front.over(), c.want); err != nil {
				t.Error(err)
			}
			close(gate)
			soon(t, "the end", answer)
		})
	}
}

// likeFront is a worker's link whose front is the test itself. The worker serves, the greetings are over.
func likeFront(t *testing.T, serve func(*Exchange)) (*running, *peer) {
	t.Helper()
	a, b := sides(t)
	p := &peer{side: b, t: t}
	t.Cleanup(func() { b.Close() })
	l := run(t, a, &owner{serve: serve}, false)
	p.want(kHello)
	p.put(appendFrame(nil, kHello, 0, 0, []byte("{}")))
	return l, p
}

// withFile sends a frame with the descriptor of f, which it closes.
func (p *peer) withFile(b []byte, f *os.File) {
	p.t.Helper()
	defer f.Close()
	raw, err := f.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			if _, _, err := p.WriteMsgUnix(b, unix.UnixRights(int(fd)), nil); err != nil {
				p.t.Error(err)
			}
		})
	}
	if err != nil {
		p.t.Error(err)
	}
}

// memory is a memfd of a size and with seals.
func memory(t *testing.T, size int64, seals int) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Skip(err)
	}
	f := os.NewFile(uintptr(fd), "memfd")
	if err := errors.Join(f.Truncate(size), addSeals(f, seals)); err != nil {
		t.Fatal(err)
	}
	return f
}

func opened(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// offer gives a worker a region as a front does.
func (p *peer) offer(n uint64) *region {
	p.t.Helper()
	r, err := newRegion()
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(r.drop)
	p.withFile(regionFrame(n), r.file)
	return r
}

// TestHostileRegionsOfFront: a worker takes only memory that stays, and uses it only as the rules are.
func TestHostileRegionsOfFront(t *testing.T) {
	descriptors(t)
	request := func(id uint64) []byte { return end(post(-1).append(begin(nil, kRequest, 0, id)), 0) }
	for name, c := range map[string]struct {
		send func(t *testing.T, p *peer)
		want string
	}{
		"no descriptor": {func(_ *testing.T, p *peer) { p.put(regionFrame(1)) }, "REGION without a descriptor"},
		"file": {func(t *testing.T, p *peer) {
			f := opened(t, t.TempDir()+"/f")
			if err := f.Truncate(regionSize); err != nil {
				t.Fatal(err)
			}
			p.withFile(regionFrame(1), f)
		}, "a region without seals"},
		"device":     {func(t *testing.T, p *peer) { p.withFile(regionFrame(1), opened(t, "/dev/zero")) }, "a region without seals"},
		"no seals":   {func(t *testing.T, p *peer) { p.withFile(regionFrame(1), memory(t, regionSize, 0)) }, "a region without seals"},
		"may grow":   {func(t *testing.T, p *peer) { p.withFile(regionFrame(1), memory(t, regionSize, unix.F_SEAL_SHRINK)) }, "a region without seals"},
		"may shrink": {func(t *testing.T, p *peer) { p.withFile(regionFrame(1), memory(t, regionSize, unix.F_SEAL_GROW)) }, "a region without seals"},
		"short":      {func(t *testing.T, p *peer) { p.withFile(regionFrame(1), memory(t, regionSize-1, firmSeals)) }, "a region of 2097151 bytes"},
		"long":       {func(t *testing.T, p *peer) { p.withFile(regionFrame(1), memory(t, regionSize+1, firmSeals)) }, "a region of 2097153 bytes"},
		"empty":      {func(t *testing.T, p *peer) { p.withFile(regionFrame(1), memory(t, 0, firmSeals)) }, "a region of 0 bytes"},
		"noise": {func(t *testing.T, p *peer) {
			p.withFile(appendFrame(nil, kRegion, 0, 0, []byte{0xff}), memory(t, regionSize, firmSeals))
		}, "REGION cannot be decoded"},
		"number 0": {func(t *testing.T, p *peer) { p.withFile(regionFrame(0), memory(t, regionSize, firmSeals)) }, "REGION 0, which is there or cannot be"},
		"twice": {func(t *testing.T, p *peer) {
			p.withFile(regionFrame(1), memory(t, regionSize, firmSeals))
			p.withFile(regionFrame(1), memory(t, regionSize, firmSeals))
		}, "REGION 1, which is there or cannot be"},
		"too many": {func(t *testing.T, p *peer) {
			for n := range uint64(maxRegions + 1) {
				p.withFile(regionFrame(n+1), memory(t, regionSize, firmSeals))
			}
		}, "REGION 17, which is there or cannot be"},
		"lend to nothing": {func(t *testing.T, p *peer) { p.offer(1); p.put(lendFrame(3, 1, true)) }, "LEND for exchange 3, which was never opened"},
		"lend nothing":    {func(t *testing.T, p *peer) { p.put(join(request(3), lendFrame(3, 1, true))) }, "LEND of region 1, which this end does not have"},
		"lend 0":          {func(t *testing.T, p *peer) { p.offer(1); p.put(join(request(3), lendFrame(3, 0, true))) }, "LEND of region 0, which this end does not have"},
		"lend twice": {func(t *testing.T, p *peer) {
			p.offer(1)
			p.offer(2)
			p.put(join(request(3), lendFrame(3, 1, true), lendFrame(3, 2, true)))
		}, "LEND to exchange 3, which has a region"},
		"lend for both": {func(t *testing.T, p *peer) {
			p.offer(1)
			p.put(join(request(3), lendFrame(3, 1, true), lendFrame(3, 1, false)))
		}, "LEND of region 1, which an exchange has"},
		"lend too early": {func(t *testing.T, p *peer) {
			p.offer(1)
			p.put(join(request(3), lendFrame(3, 1, true), request(5), lendFrame(5, 1, true)))
		}, "LEND of region 1, which an exchange has"},
		"lend, noise": {func(t *testing.T, p *peer) { p.put(join(request(3), appendFrame(nil, kLend, 0, 3, numbers(1, 2)))) }, "LEND cannot be decoded"},
		"body, not lent": {func(t *testing.T, p *peer) {
			p.offer(1)
			p.put(join(request(3), lendFrame(3, 1, false)))
			p.want(kCredit)
			p.put(sharedBody(3, 1))
		}, "BODY in a region, and none is lent"},
		"body, nothing": {func(t *testing.T, p *peer) { p.put(join(request(3), sharedBody(3, 0))) }, "BODY of 0 bytes in a region"},
		"body, no credit": {func(t *testing.T, p *peer) {
			p.offer(1)
			p.put(join(request(5), lendFrame(5, 1, true), sharedBody(5, 1)))
		}, "BODY of 1 bytes, 0 are allowed"},
		"body, too much": {func(t *testing.T, p *peer) {
			p.offer(1)
			p.put(join(request(3), lendFrame(3, 1, true)))
			credit := p.want(kCredit)
			n, _ := credit.number()
			p.put(join(sharedBody(3, n), sharedBody(3, 1)))
		}, "BODY of 1 bytes, 0 are allowed"},
		"body, beside": {func(t *testing.T, p *peer) {
			p.offer(1)
			p.put(join(request(3), lendFrame(3, 1, true)))
			p.want(kCredit)
			p.put(join(sharedBody(3, 1), appendFrame(nil, kBody, 0, 3, []byte{1})))
		}, "BODY beside its region"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			leavesNothing(t)
			worker, p := likeFront(t, func(x *Exchange) {
				if x.ID() == 3 {
					_, _ = x.Body().Read(make([]byte, 1))
				}
				<-x.Context().Done()
				x.End(ended(200))
			})
			c.send(t, p)
			if err := isProtocol(worker.over(), c.want); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSealed: what a worker has a descriptor of, it can neither change the size of nor make holes in.
func TestSealed(t *testing.T) {
	descriptors(t)
	leavesNothing(t)
	r, err := newRegion()
	if err != nil {
		t.Fatal(err)
	}
	defer r.drop()
	defer r.file.Close()
	if err := sealRegion(r.file); err != nil {
		t.Fatal(err)
	}
	if err := checkRegion(r.file); err != nil {
		t.Error(err)
	}
	fd := int(r.file.Fd())
	for name, err := range map[string]error{
		"grow":          unix.Ftruncate(fd, 2*regionSize),
		"shrink":        unix.Ftruncate(fd, 0),
		"hole":          unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, regionSize),
		"hole, madvise": unix.Madvise(r.mem, unix.MADV_REMOVE),
		"seal":          addSeals(r.file, unix.F_SEAL_WRITE),
	} {
		if !errors.Is(err, unix.EPERM) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Blocks*512 != regionSize {
		t.Errorf("%d bytes are there, %v", st.Blocks*512, err)
	}
}

// TestRegionWaitsForEnd: a region is not lent again while the worker may still write to it, however long ago the client was given up.
func TestRegionWaitsForEnd(t *testing.T) {
	descriptors(t)
	leavesNothing(t)
	left, goOn := make(chan struct{}), make(chan struct{})
	front, _ := pair(t, func(x *Exchange) {
		if x.Req.HTTP.Path == "/slow" {
			_, _ = io.CopyN(writerOnly{x}, zeros{}, 2<<20)
			close(left)
			<-goOn
		}
		big(x)
	})
	warm(t, front, 1)
	leave := make(chan struct{})
	q := get()
	q.HTTP.Path = "/slow"
	answer := do(t, front, &page{}, q, nil, &client{}, leave)
	soon(t, "the middle of the answer", left)
	close(leave)
	if r := soon(t, "the end", answer); !errors.Is(r.err, ErrLeft) {
		t.Fatalf("%+v", r)
	}
	if _, free := front.count(); free != 0 {
		t.Error("the region is free while the worker has it")
	}
	warm(t, front, 1)
	if all, _ := front.count(); all != 2 {
		t.Errorf("there are %d regions", all)
	}
	close(goOn)
	until(t, "both are free", func() bool { _, free := front.count(); return free == 2 })
}

// TestRegionWaitsForClient: a region is not lent again while what is in it is still written to a client, though the worker has ended
// the exchange.
func TestRegionWaitsForClient(t *testing.T) {
	descriptors(t)
	leavesNothing(t)
	front, p := against(t, &owner{})
	gate, inside := make(chan struct{}), make(chan struct{})
	w, n := &page{}, 0
	w.write = func(b []byte) (int, error) {
		if n += len(b); n > 4*maxData {
			close(inside)
			<-gate
		}
		return len(b), nil
	}
	answer := do(t, front, w, get(), nil, &client{}, nil)
	p.want(kRequest)
	lent(p)
	p.put(join(sharedFrame(3, 1000), resultFrame(3)))
	soon(t, "the client", inside)
	until(t, "the worker has ended it", func() bool { front.mu.Lock(); defer front.mu.Unlock(); return len(front.asked) == 0 })
	if _, free := front.count(); free != 0 {
		t.Error("the region is free while it is sent from")
	}
	close(gate)
	must(t, answer)
	if _, free := front.count(); free != 1 {
		t.Error("the region is not free")
	}
}

// TestRegionOutlivesLink: what somebody writes from or reads into stays there until he is done, though the worker is gone.
func TestRegionOutlivesLink(t *testing.T) {
	descriptors(t)
	t.Run("answer", func(t *testing.T) {
		leavesNothing(t)
		front, p := against(t, &owner{})
		w, n, sum := &page{}, 0, 0
		w.write = func(b []byte) (int, error) {
			if n += len(b); n > 4*maxData {
				p.Close()
				_ = front.over()
				for _, v := range b {
					sum += int(v)
				}
			}
			return len(b), nil
		}
		answer := do(t, front, w, get(), nil, &client{}, nil)
		p.want(kRequest)
		lent(p)
		p.put(sharedFrame(3, 1000))
		if r := soon(t, "the end", answer); !errors.Is(r.err, ErrDown) || n != 4*maxData+1000 || sum != 0 {
			t.Errorf("%+v, %d bytes", r, n)
		}
	})
	t.Run("body", func(t *testing.T) {
		leavesNothing(t)
		front, _ := pair(t, func(x *Exchange) {
			_, _ = io.Copy(io.Discard, x.Body())
			x.End(ended(200))
		})
		through := false
		body := readerFunc(func(p []byte) (int, error) {
			if through = len(p) > maxData; through { // more than is read for a frame
				front.Close(nil)
				_ = front.over()
				clear(p)
				return len(p), io.EOF
			}
			return len(p), nil
		})
		if r := soon(t, "the end", do(t, front, &page{}, post(-1), body, &client{}, nil)); !errors.Is(r.err, ErrDown) || !through {
			t.Errorf("%+v", r)
		}
	})
}

// TestNoRegionForHTTP2: its writer may look at what it was given after it has failed.
func TestNoRegionForHTTP2(t *testing.T) {
	descriptors(t)
	leavesNothing(t)
	front, _ := pair(t, big)
	q := get()
	q.HTTP.Major, q.HTTP.Minor = 2, 0
	w := &page{}
	must(t, do(t, front, w, q, nil, &client{}, nil))
	if all, _ := front.count(); all != 0 || w.n != 4<<20 {
		t.Errorf("%d regions, %d bytes", all, w.n)
	}
}

// bad is memory that cannot be read, or not written to.
func bad(t *testing.T, prot int) []byte {
	t.Helper()
	b, err := unix.Mmap(-1, 0, 64<<10, prot, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(b) })
	return b
}

// faults tells whether f touches memory that it may not.
func faults(f func()) (did bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { did = recover() != nil }()
	f()
	return false
}

// TestFaultInRegion: an extension whose memory is none loses no byte of the others, and holds up nobody.
func TestFaultInRegion(t *testing.T) {
	descriptors(t)
	leavesNothing(t)
	none, constant := bad(t, unix.PROT_NONE), bad(t, unix.PROT_READ)
	const size = 4 << 20
	var noticed atomic.Int64
	front, _ := pair(t, func(x *Exchange) {
		up, down := sha256.New(), newRandom(size, 5)
		b := make([]byte, 64<<10)
		for done := 0; done < size; {
			x.mu.Lock()
			shared := x.upUnread > 0 && x.down.region != nil
			x.mu.Unlock()
			if shared {
				if !faults(func() { _, _ = x.Write(none) }) || !faults(func() { _, _ = x.Body().Read(constant) }) {
					t.Error("bad memory is not noticed")
				}
				noticed.Add(1)
			}
			n, err := x.Body().Read(b)
			if err != nil && !errors.Is(err, io.EOF) {
				t.Error(err)
				break
			}
			up.Write(b[:n])
			done += n
			if _, err := io.CopyN(writerOnly{x}, down, int64(n)); err != nil {
				t.Error(err)
			}
		}
		x.End(Result{Result: executor.Result{LogData: fmt.Sprintf("%x %x", up.Sum(nil), down.sum.Sum(nil))}})
	})
	for i := range 3 {
		up, down := newRandom(size, uint64(i)+1), sha256.New()
		res := must(t, do(t, front, &page{write: down.Write}, post(size), up, &client{}, nil))
		if want := fmt.Sprintf("%x %x", up.sum.Sum(nil), down.Sum(nil)); res.LogData != want {
			t.Errorf("sums are %s, want %s", res.LogData, want)
		}
	}
	if all, free := front.count(); all != free || noticed.Load() == 0 {
		t.Errorf("%d of %d regions are free, %d faults", free, all, noticed.Load())
	}
}

// fill reads as size bytes of one value.
type fill struct {
	value byte
	left  int
}

func (f *fill) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), f.left)
	copy(p[:n], bytes.Repeat([]byte{f.value}, n))
	f.left -= n
	return n, nil
}

// only fails the test if p has another value.
func only(t *testing.T, what string, p []byte, value byte) {
	if bytes.Count(p, []byte{value}) != len(p) {
		t.Errorf("%s of exchange %d has bytes of others", what, value)
	}
}

// TestRegionsNeverCross: exchanges with large bodies both ways, many of which are given up in the middle by clients or for their time, while the
// worker goes on. Nobody gets a byte of another one.
func TestRegionsNeverCross(t *testing.T) {
	descriptors(t)
	leavesNothing(t)
	times, clients := 8, 2*maxRegions
	if testing.Short() {
		times = 5
	}
	front, worker := pair(t, func(x *Exchange) {
		value := x.Req.HTTP.Path[0]
		read := make(chan struct{})
		go func() {
			defer close(read)
			b := make([]byte, 50_000)
			for {
				n, err := x.Body().Read(b)
				if only(t, "the body", b[:n], value); err != nil {
					return
				}
			}
		}()
		_, _ = io.Copy(writerOnly{x}, &fill{value, 3 << 20})
		if value%2 == 0 { // else its end comes while somebody reads
			select {
			case <-read:
			case <-x.Context().Done():
			}
		}
		x.End(ended(200))
		<-read
	})
	var all sync.WaitGroup
	for i := range clients {
		value := byte(i + 1)
		all.Go(func() {
			for n := range times {
				leave := make(chan struct{})
				var once sync.Once
				got, limit := 0, 1+(i*131+n*977)%48*(64<<10) // bytes after which it is over
				w := &page{write: func(p []byte) (int, error) {
					only(t, "the answer", p, value)
					if got += len(p); got > limit {
						if n%2 == 0 {
							once.Do(func() { close(leave) })
						} else {
							return 0, unix.ECONNRESET
						}
					}
					return len(p), nil
				}}
				q := post(-1)
				q.HTTP.Path = string([]byte{value})
				_, _, err := front.Do(t.Context(), w, q, &fill{value, 3 << 20}, nil, &client{}, leave)
				if err != nil && !errors.Is(err, ErrLeft) {
					t.Errorf("%v; worker: %v", err, worker.Err())
					return
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	until(t, "all regions are free", func() bool { all, free := front.count(); return all == maxRegions && free == all })
}
