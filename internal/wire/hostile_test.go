package wire

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/trace"
)

func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

func dataFrame(id uint64, n int) []byte { return appendFrame(nil, kData, 0, id, make([]byte, n)) }

// sharedFrame is a DATA whose bytes are in the region.
func sharedFrame(id uint64, n uint32) []byte {
	b := appendNumber(nil, kData, id, n)
	b[5] = flagRegion
	return b
}

func many(n int, frame []byte) []byte { return bytes.Repeat(frame, n) }

func childFrame(id, parent uint64) []byte {
	q := get()
	q.For, q.Parent = ForChild, parent
	return end(q.append(begin(nil, kRequest, 0, id)), 0)
}

// TestHostileWorker: every rule that a worker can break ends the link with a sentence that says which.
func TestHostileWorker(t *testing.T) {
	interim := headFrame(3, 103)
	for _, c := range []struct {
		name string
		send []byte
		want string
	}{
		{"noise", []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "unknown kind 47"},
		{"hello again", appendFrame(nil, kHello, 0, 0, []byte("{}")), "unexpected HELLO"},
		{"long", appendHeader(nil, kHead, 0, 3, 1<<31-1), "HEAD of 2147483647 bytes is too long"},
		{"request", end(get().append(begin(nil, kRequest, 0, 2)), 0), "unexpected exchange"},
		{"request, our id", end(get().append(begin(nil, kRequest, 0, 5)), 0), "REQUEST with id 5"},
		{"request, no id", end(get().append(begin(nil, kRequest, 0, 0)), 0), "REQUEST with id 0"},
		{"request, noise", appendFrame(nil, kRequest, 0, 2, []byte("noise")), "REQUEST cannot be decoded"},
		{"child of nothing", childFrame(2, 99), "child of exchange 99, which is not open"},
		{"child twice", join(childFrame(2, 3), childFrame(2, 3)), "REQUEST with id 2, which is open"},
		{"children", func() (b []byte) {
			for i := range uint64(maxChildren + 1) {
				b = append(b, childFrame(2+2*i, 3)...)
			}
			return b
		}(), "more than 16 children of an exchange at a time"},
		{"head, other id", headFrame(5, 200), "HEAD for exchange 5, which is not open"},
		{"head, even id", headFrame(4, 200), "HEAD for exchange 4, which is not open"},
		{"head, link", headFrame(0, 200), "HEAD for exchange 0, which is not open"},
		{"head, noise", appendFrame(nil, kHead, 0, 3, []byte("noise")), "HEAD cannot be decoded"},
		{"head twice", join(headFrame(3, 200), headFrame(3, 200)), "HEAD after HEAD"},
		{"interim head behind the head", join(headFrame(3, 200), interim), "HEAD after HEAD"},
		{"data before head", dataFrame(3, 1), "DATA before HEAD"},
		{"data beyond the window", join(headFrame(3, 200), many(Window/maxData+1, dataFrame(3, maxData))), "more than 1048576 bytes of an answer are on their way"},
		{"file without descriptor", join(headFrame(3, 200), appendFrame(nil, kFile, 0, 3, numbers(0, 1))), "FILE without a descriptor"},
		{"credit for nothing", appendNumber(nil, kCredit, 3, 1), "CREDIT for a body that is complete"},
		{"credit, short", appendFrame(nil, kCredit, 0, 3, []byte{1}), "CREDIT of 1 bytes, want 4"},
		{"question, noise", appendFrame(nil, kCall, 0, 3, []byte{0xff}), "CALL cannot be decoded"},
		{"question 0", appendFrame(nil, kCall, 0, 3, numbers(0, uint64(AskMap))), "CALL cannot be decoded"},
		{"question, topic", appendFrame(nil, kCall, 0, 3, numbers(1, uint64(topics))), "CALL cannot be decoded"},
		{"questions", many(maxCalls+1, appendFrame(nil, kCall, 0, 3, numbers(1, uint64(AskAlive)))), "more than 256 questions at a time"},
		{"end, noise", appendFrame(nil, kEnd, 0, 3, []byte("noise")), "END cannot be decoded"},
		{"end twice", join(resultFrame(3), resultFrame(3)), "END for exchange 3, which is not open"},
		{"data behind the end", join(headFrame(3, 200), resultFrame(3), dataFrame(3, 1)), "DATA for exchange 3, which is not open"},
		{"body", appendFrame(nil, kBody, 0, 3, nil), "BODY for exchange 3, which was never opened"},
		{"cancel", appendFrame(nil, kCancel, 0, 2, nil), "CANCEL for exchange 2, which was never opened"},
		{"reply", appendFrame(nil, kReply, 0, 3, numbers(1)), "REPLY for exchange 3, which was never opened"},
		{"window", appendNumber(nil, kWindow, 0, 1), "WINDOW for exchange 0, which was never opened"},
		{"window of a child", join(childFrame(2, 3), appendNumber(nil, kWindow, 2, 1)), "WINDOW of more than was sent"},
		{"window of a child, short", join(childFrame(2, 3), appendFrame(nil, kWindow, 0, 2, nil)), "WINDOW of 0 bytes, want 4"},
		{"gone, short", join(childFrame(2, 3), appendFrame(nil, kGone, 0, 2, nil)), "GONE of 0 bytes, want 4"},
		{"body of a child that is whole", join(childFrame(2, 3), appendFrame(nil, kBody, 0, 2, nil)), "BODY after its end"},
		{"reply of a child", join(childFrame(2, 3), appendFrame(nil, kReply, 0, 2, numbers(1))), "REPLY 1 to nothing"},
		{"reply of a child with nothing", join(childFrame(2, 3), appendFrame(nil, kReply, flagFile, 2, numbers(1))), "REPLY without its descriptor"},
		{"control", appendFrame(nil, kControl, 0, 2, appendText(nil, "load")), "unexpected question"},
		{"control, noise", appendFrame(nil, kControl, 0, 2, []byte{9}), "CONTROL without a topic"},
		{"answer", appendFrame(nil, kAnswer, 0, 3, nil), "ANSWER 3 to nothing"},
		{"note", appendFrame(nil, kNote, 0, 0, appendText(nil, "note")), "unexpected note"},
		{"note, noise", appendFrame(nil, kNote, 0, 0, []byte{9}), "NOTE without a topic"},
		{"trace", appendFrame(nil, kTrace, 0, 0, numbers(1, 2, 3)), "unexpected trace"},
		{"trace of an exchange", appendFrame(nil, kTrace, 0, 3, numbers(1, 2, 3)), "unexpected TRACE 3"},
		{"trace, noise", appendFrame(nil, kTrace, 0, 0, []byte{1, 0xff}), "TRACE cannot be decoded"},
		{"trace, subscription", appendFrame(nil, kTrace, 0, 0, numbers(1<<32, 2, 3)), "TRACE cannot be decoded"},
		{"trace, events", appendFrame(nil, kTrace, 0, 0, numbers(1, maxTrace+1, 3)), "TRACE cannot be decoded"},
		{"trace, dropped", appendFrame(nil, kTrace, 0, 0, numbers(1, 2, 1<<31)), "TRACE cannot be decoded"},
		{"trace, long", appendHeader(nil, kTrace, 0, 0, maxTrace+1), "TRACE of 131073 bytes is too long"},
		{"board", appendFrame(nil, kBoard, 0, 0, numbers(trace.BoardSize)), "BOARD without a descriptor"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			leavesNothing(t)
			front, p := against(t, &owner{})
			w, letGo := stuck(nopSum{})
			a := &client{
				question: func(Topic, []byte) (bool, []byte, *os.File) { <-front.Down(); return false, nil, nil },
				child:    func(x *Exchange) { <-x.Context().Done(); x.End(Result{}) },
			}
			answer := do(t, front, w, get(), nil, a, nil)
			if id := p.want(kRequest).id; id != 3 {
				t.Fatalf("the first exchange is %d", id)
			}
			p.put(c.send)
			if err := isProtocol(front.over(), c.want); err != nil {
				t.Error(err)
			}
			letGo()
			switch r := soon(t, "the end", answer); {
			case strings.Contains(c.want, "not open") && bytes.Contains(c.send, resultFrame(3)):
				if r.err != nil { // it had its answer before that
					t.Errorf("%+v", r)
				}
			case !errors.Is(r.err, ErrDown):
				t.Errorf("%+v", r)
			}
		})
	}
}

type nopSum struct{}

func (nopSum) Write(p []byte) (int, error) { return len(p), nil }
func (nopSum) Sum([]byte) []byte           { return nil }
func (nopSum) Reset()                      {}
func (nopSum) Size() int                   { return 0 }
func (nopSum) BlockSize() int              { return 1 }

// TestHostileCredit: more credit than a window for one body.
func TestHostileCredit(t *testing.T) {
	for name, send := range map[string][]byte{
		"once":  appendNumber(nil, kCredit, 3, Window+1),
		"twice": many(2, appendNumber(nil, kCredit, 3, Window)),
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			front, p := against(t, &owner{})
			r, w := io.Pipe()
			answer := do(t, front, &page{}, post(-1), r, &client{}, nil)
			p.want(kRequest)
			p.put(send)
			if err := isProtocol(front.over(), "CREDIT of more than 1048576 bytes"); err != nil {
				t.Error(err)
			}
			w.Close()
			if r := soon(t, "the end", answer); !errors.Is(r.err, ErrDown) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestHostileDescriptors: descriptors that nobody asked for are closed, and end the link.
func TestHostileDescriptors(t *testing.T) {
	descriptors(t)
	file := appendFrame(nil, kFile, 0, 3, numbers(0, 1))
	for name, c := range map[string]struct {
		send func(p *peer)
		want string
	}{
		"one":     {func(p *peer) { p.withFiles(appendFrame(nil, kNote, 0, 0, appendText(nil, "note")), 1) }, "1 descriptors that no frame claims"},
		"hundred": {func(p *peer) { p.withFiles(headFrame(3, 200), 100) }, "more descriptors at a time than this process can take"},
		"slowly": {func(p *peer) {
			long := appendHeader(nil, kHead, 0, 3, maxMessage)
			for range 4 {
				p.withFiles(long, 20)
				long = make([]byte, 10)
			}
		}, "80 descriptors that no frame claims"},
		"twice": {func(p *peer) { p.put(headFrame(3, 200)); p.withFiles(join(file, file), 2) }, "FILE before the answer to the last"},
		"early": {func(p *peer) { p.withFiles(file, 1) }, "FILE before HEAD"},
		"noise": {func(p *peer) {
			p.put(headFrame(3, 200))
			p.withFiles(appendFrame(nil, kFile, 0, 3, []byte{0xff}), 1)
		}, "FILE cannot be decoded"},
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			front, p := against(t, &owner{note: func(string, []byte) error { return nil }})
			w, letGo := stuck(nopSum{})
			defer letGo()
			answer := do(t, front, w, get(), nil, &client{}, nil)
			p.want(kRequest)
			c.send(p)
			if err := isProtocol(front.over(), c.want); err != nil {
				t.Error(err)
			}
			if r := soon(t, "the end", answer); !errors.Is(r.err, ErrDown) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestNotAFile: what is no regular file is not sent to a client.
func TestNotAFile(t *testing.T) {
	descriptors(t)
	leavesNothing(t)
	front, p := against(t, &owner{})
	w := &page{}
	answer := do(t, front, w, get(), nil, &client{}, nil)
	p.want(kRequest)
	p.put(headFrame(3, 200))
	p.withFiles(appendFrame(nil, kFile, 0, 3, numbers(0, 1<<40)), 1)
	if f := p.want(kReply); f.flags&flagFailed == 0 || !bytes.Equal(f.payload, numbers(0, 0)) {
		t.Errorf("%+v", f)
	}
	p.put(resultFrame(3))
	must(t, answer)
	if w.n != 0 {
		t.Errorf("%d bytes of a device came", w.n)
	}
}

// TestTooManyHeads: interim heads without end, at a client that does not read.
func TestTooManyHeads(t *testing.T) {
	leavesNothing(t)
	front, p := against(t, &owner{})
	w, letGo := stuck(nopSum{})
	answer := do(t, front, w, get(), nil, &client{}, nil)
	p.want(kRequest)
	p.put(join(headFrame(3, 200), dataFrame(3, 1)))
	until(t, "the client is stuck", func() bool {
		front.mu.Lock()
		c := front.asked[3]
		front.mu.Unlock()
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.in) == 0
	})
	h := head{status: 103, header: http.Header{"Link": {strings.Repeat("x", 1<<20-100)}}}
	p.put(many(4, end(h.append(begin(nil, kHead, 0, 3)), 0)))
	if err := isProtocol(front.over(), "too many frames of one exchange at a time"); err != nil {
		t.Error(err)
	}
	letGo()
	if r := soon(t, "the end", answer); !errors.Is(r.err, ErrDown) {
		t.Errorf("%+v", r)
	}
}

// TestGreeting: a link whose other end does not greet, greets late, or ends.
func TestGreeting(t *testing.T) {
	for name, c := range map[string]struct {
		send []byte
		want string
	}{
		"other frame":   {headFrame(3, 200), "HEAD before HELLO"},
		"hello with id": {appendFrame(nil, kHello, 0, 3, nil), "HELLO before HELLO"},
		"refused":       {appendFrame(nil, kHello, 0, 0, []byte("bad")), "greeting"},
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			a, b := sides(t)
			defer b.Close()
			l := NewLink(a.stream(t), &owner{}, true, nil, func(p []byte) error { return protocolError("greeting") })
			(&peer{side: b, t: t}).put(c.send)
			if err := isProtocol(l.Run(), c.want); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestEndsInTheMiddle: a worker that closes its end, whatever the exchange is at. What came before is still handed over.
func TestEndsInTheMiddle(t *testing.T) {
	whole := join(headFrame(3, 200), dataFrame(3, 5), resultFrame(3))
	type state struct {
		send  []byte
		began bool
	}
	states := map[string]state{
		"at once":        {nil, false},
		"interim head":   {headFrame(3, 103), false},
		"head":           {headFrame(3, 200), true},
		"data":           {join(headFrame(3, 200), dataFrame(3, 5)), true},
		"credit":         {appendNumber(nil, kCredit, 3, 1000), false},
		"question":       {appendFrame(nil, kCall, 0, 3, numbers(1, uint64(AskAlive))), false},
		"child":          {childFrame(2, 3), false},
		"child and head": {join(childFrame(2, 3), headFrame(3, 200)), true},
	}
	for name, s := range states {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			leavesNothing(t)
			front, p := against(t, &owner{})
			a := &client{child: func(x *Exchange) {
				_, _ = io.Copy(x, x.Body())
				<-x.Context().Done()
				x.End(Result{})
			}}
			answer := do(t, front, &page{}, post(-1), strings.NewReader("body"), a, nil)
			p.want(kRequest)
			p.put(s.send)
			p.Close()
			if r := soon(t, "the end", answer); !errors.Is(r.err, ErrDown) || r.began != s.began {
				t.Errorf("%+v", r)
			}
			if err := front.over(); !errors.Is(err, io.EOF) {
				t.Error(err)
			}
		})
	}
	t.Run("each byte", func(t *testing.T) {
		leavesNothing(t)
		headLen := len(headFrame(3, 200))
		for n := range len(whole) + 1 {
			front, p := against(t, &owner{})
			answer := do(t, front, &page{}, get(), nil, &client{}, nil)
			p.want(kRequest)
			p.put(whole[:n])
			p.Close()
			r := soon(t, "the end", answer)
			if n == len(whole) {
				if r.err != nil {
					t.Errorf("a whole answer: %v", r.err)
				}
			} else if !errors.Is(r.err, ErrDown) || r.began != (n >= headLen) {
				t.Errorf("%d bytes: %+v", n, r)
			}
		}
	})
}

// TestLastWords: an answer that the worker gave before it stopped reading is handed over.
func TestLastWords(t *testing.T) {
	leavesNothing(t)
	front, p := against(t, &owner{})
	answer := do(t, front, &page{}, get(), nil, &client{}, nil)
	p.want(kRequest)
	if err := p.deafen(); err != nil {
		t.Fatal(err)
	}
	lost := do(t, front, &page{}, get(), nil, &client{}, nil) // it cannot be sent
	until(t, "nothing can be sent", func() bool { return front.send.failed() != nil })
	p.put(join(headFrame(3, 200), resultFrame(3)))
	must(t, answer)
	if r := soon(t, "the end", lost); !errors.Is(r.err, ErrDown) || !errors.Is(r.err, errClosedPipe) {
		t.Errorf("%+v", r)
	}
}

// TestDeafPeer: somebody who does not read holds nobody up, and is not written to without end.
func TestDeafPeer(t *testing.T) {
	leavesNothing(t)
	front, p := against(t, &owner{})
	var all []<-chan answer3
	leave := make(chan struct{})
	q := get()
	q.HTTP.Body = make([]byte, 1<<20)
	for range 20 {
		all = append(all, do(t, front, &page{}, q, nil, &client{}, leave))
	}
	close(leave)
	for _, c := range all {
		if r := soon(t, "the end", c); !errors.Is(r.err, ErrLeft) {
			t.Errorf("%+v", r)
		}
	}
	// All of it is still to come, in order and whole.
	for range 20 {
		if f := p.want(kRequest); len(f.payload) < 1<<20 {
			t.Errorf("a request of %d bytes", len(f.payload))
		}
	}
	note := make([]byte, maxMessage-10)
	for range 2 * (maxBacklog/len(note) + 2) { // what is there when the one write begins that never ends does not count
		front.Tell("n", note)
	}
	if err := front.over(); !errors.Is(err, errBacklog) {
		t.Error(err)
	}
}

// TestQueuedDescriptors: descriptors stay with their frames when these have to wait, and are closed when they cannot be sent.
func TestQueuedDescriptors(t *testing.T) {
	descriptors(t)
	leavesNothing(t)
	front, p := against(t, &owner{})
	a := &client{question: func(_ Topic, text []byte) (bool, []byte, *os.File) {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Error(err)
			return false, nil, nil
		}
		_, _ = f.Write(text)
		return true, text, f
	}}
	answer := do(t, front, &page{}, get(), nil, a, nil)
	p.want(kRequest)
	const files = 40
	until(t, "nobody writes", func() bool {
		front.send.mu.Lock()
		defer front.send.mu.Unlock()
		return !front.send.busy
	})
	front.Tell("fill", make([]byte, 1000_000)) // more than a socket takes
	for i := range files {
		b := append(numbers(uint64(i+1), uint64(AskMap)), bytes.Repeat([]byte{byte(i)}, 1+i*100)...)
		p.put(appendFrame(nil, kCall, 0, 3, b))
	}
	until(t, "all are answered", func() bool {
		front.send.mu.Lock()
		defer front.send.mu.Unlock()
		return len(front.send.queue.files) == files
	})
	theirs := p.stream(t)
	recv := receiver{from: theirs}
	seen := 0
	stop := errors.New("enough")
	err := recv.run(func(f *frame) error {
		if f.kind != kReply {
			return nil
		}
		d := decoder{b: f.payload}
		d.uint()
		file := recv.takeFile()
		if file == nil {
			return errors.New("a reply without its descriptor")
		}
		defer file.Close()
		content := make([]byte, 5000)
		n, _ := file.ReadAt(content, 0)
		if !bytes.Equal(content[:n], d.b) {
			t.Errorf("the reply %.1x… of %d bytes has a file of %d", d.b, len(d.b), n)
		}
		if seen++; seen == files/2 {
			return stop
		}
		return nil
	})
	recv.close()
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	theirs.Close()
	if r := soon(t, "the end", answer); !errors.Is(r.err, ErrDown) {
		t.Errorf("%+v", r)
	}
}

// TestRandomWorkers: answers with random changes, and noise. Nothing is left of any, and nobody waits for ever.
func TestRandomWorkers(t *testing.T) {
	leavesNothing(t)
	m := newMaker(t)
	valid := [][]byte{
		headFrame(3, 200), headFrame(3, 103), dataFrame(3, 10), resultFrame(3), appendNumber(nil, kCredit, 3, 100), childFrame(2, 3),
		appendFrame(nil, kCall, 0, 3, numbers(1, uint64(AskAlive))), appendNumber(nil, kWindow, 2, 1), appendFrame(nil, kBody, 0, 2, []byte("x")),
		appendFrame(nil, kCancel, 0, 2, nil), appendFrame(nil, kReply, 0, 2, numbers(1)), appendFrame(nil, kNote, 0, 0, appendText(nil, "x")),
		dataFrame(3, maxData), appendFrame(nil, kRegion, 0, 0, numbers(1)), appendFrame(nil, kLend, 0, 2, numbers(1, 1)), sharedFrame(3, 10),
	}
	for range 1000 {
		var b []byte
		for range 1 + m.IntN(8) {
			b = append(b, valid[m.IntN(len(valid))]...)
		}
		for range m.IntN(4) {
			mutate(m.Rand, b)
		}
		front, p := against(t, &owner{note: func(string, []byte) error { return nil }})
		answer := do(t, front, &page{}, post(-1), strings.NewReader("body"), &client{}, nil)
		p.want(kRequest)
		p.put(b)
		p.Close()
		if r := soon(t, "the end", answer); r.err != nil && !errors.Is(r.err, ErrDown) {
			t.Errorf("%+v", r)
		}
		_ = front.over()
	}
}

func mutate(r *rand.Rand, b []byte) {
	b[r.IntN(len(b))] ^= 1 << r.IntN(8)
}
