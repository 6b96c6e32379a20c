package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestQuestions: each of many questions at a time gets its own answer, some with a descriptor.
func TestQuestions(t *testing.T) {
	leavesNothing(t)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	front, _ := pair(t, func(x *Exchange) {
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				if ok, answer, f := x.Ask(AskMap, fmt.Append(nil, i)); !ok || string(answer) != fmt.Sprint("map ", i) || f != nil {
					t.Errorf("question %d: %v %q %v", i, ok, answer, f)
				}
				if ok, _, f := x.Ask(AskAlive, nil); ok || f != nil {
					t.Errorf("no is %v, %v", ok, f)
				}
				ok, _, f := x.Ask(AskDescriptor, nil)
				if plain && !ok && f == nil {
					return
				}
				if !ok || f == nil {
					t.Errorf("descriptor: %v, %v", ok, f)
					return
				}
				defer f.Close()
				b := make([]byte, 100)
				if n, _ := f.ReadAt(b, 0); string(b[:n]) != "content" {
					t.Errorf("the file has %q", b[:n])
				}
			})
		}
		all.Wait()
		if ok, _, _ := x.Ask(AskMap, make([]byte, maxMessage)); ok {
			t.Error("an endless question is answered")
		}
		x.End(ended(200))
		if ok, _, _ := x.Ask(AskAlive, nil); ok {
			t.Error("a question after the end is answered")
		}
	})
	a := &client{question: func(topic Topic, p []byte) (bool, []byte, *os.File) {
		switch topic {
		case AskMap:
			return true, append([]byte("map "), p...), nil
		case AskDescriptor:
			f, err := os.Open(name)
			return err == nil, nil, f
		default:
			return false, nil, nil
		}
	}}
	must(t, do(t, front, &page{}, get(), nil, a, nil))
}

// TestAbort: what was written before the connection is to be closed reaches the client before that.
func TestAbort(t *testing.T) {
	leavesNothing(t)
	front, _ := pair(t, func(x *Exchange) {
		for range 100 {
			io.WriteString(x, "0123456789")
			x.Flush()
		}
		x.Ask(AskAbort, nil)
		x.End(ended(200))
	})
	w := &page{}
	var mu sync.Mutex
	var n, atAbort int
	w.write = func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		n += len(p)
		return len(p), nil
	}
	a := &client{question: func(Topic, []byte) (bool, []byte, *os.File) {
		mu.Lock()
		defer mu.Unlock()
		atAbort = n
		return true, nil, nil
	}}
	must(t, do(t, front, w, get(), nil, a, nil))
	if atAbort != 1000 {
		t.Errorf("%d of 1000 bytes were there", atAbort)
	}
}

// TestFiles: part of a file goes over as a descriptor, in order with what is written before and after it.
func TestFiles(t *testing.T) {
	leavesNothing(t)
	name := filepath.Join(t.TempDir(), "file")
	content := make([]byte, 1<<20)
	_, _ = io.ReadFull(newRandom(len(content), 5), content)
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	const from, size = 12345, 700_000
	front, _ := pair(t, func(x *Exchange) {
		f, err := os.Open(name)
		if err != nil {
			t.Error(err)
		}
		defer f.Close()
		io.WriteString(x, "before")
		for range 3 {
			_, _ = f.Seek(from, io.SeekStart)
			if n, err := x.ReadFrom(&io.LimitedReader{R: f, N: size}); n != size || err != nil {
				t.Errorf("%d bytes are sent, %v", n, err)
			}
		}
		_, _ = f.Seek(-40_000, io.SeekEnd) // it ends before that many bytes
		if n, err := x.ReadFrom(&io.LimitedReader{R: f, N: size}); n != 40_000 || err != nil {
			t.Errorf("%d bytes are sent of the last 40000, %v", n, err)
		}
		io.WriteString(x, "behind")
		x.End(ended(200))
	})
	var got bytes.Buffer
	w := &page{}
	w.write = got.Write
	must(t, do(t, front, w, get(), nil, &client{}, nil))
	part := string(content[from : from+size])
	if got.String() != "before"+part+part+part+string(content[len(content)-40_000:])+"behind" {
		t.Errorf("%d bytes came, and not those that were sent", got.Len())
	}
}

// TestGone: who writes learns that the client takes nothing, and why.
func TestGone(t *testing.T) {
	for name, c := range map[string]struct{ client, want error }{
		"reset":   {syscall.EPIPE, syscall.ECONNRESET},
		"timeout": {os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			front, _ := pair(t, func(x *Exchange) {
				var err error
				for err == nil {
					_, err = x.Write(make([]byte, 1000))
				}
				if !errors.Is(err, c.want) || !errors.Is(x.FlushError(), c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
				f, err := os.Open(os.DevNull)
				if err != nil {
					t.Error(err)
				}
				defer f.Close()
				send := func() (int64, error) { return x.sendFile(f, 0, 1<<20) }
				if plain {
					send = func() (int64, error) { return x.copyFile(&io.LimitedReader{R: f, N: 1 << 20}) }
				}
				if _, err := send(); !errors.Is(err, c.want) {
					t.Errorf("a file: got %v, want %v", err, c.want)
				}
				x.End(ended(200))
			})
			w := &page{write: func([]byte) (int, error) { return 0, c.client }}
			must(t, do(t, front, w, get(), nil, &client{}, nil))
		})
	}
}

// TestWriteDeadline: a write at a client that does not read ends with its deadline, and can be tried again.
func TestWriteDeadline(t *testing.T) {
	leavesNothing(t)
	late := make(chan struct{})
	front, _ := pair(t, func(x *Exchange) {
		_ = http.NewResponseController(x).SetWriteDeadline(soonest())
		var err error
		for err == nil {
			_, err = x.Write(make([]byte, 1000))
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		close(late)
		_ = http.NewResponseController(x).SetWriteDeadline(never)
		if _, err := x.Write(make([]byte, 1000)); err != nil {
			t.Error(err)
		}
		x.End(ended(200))
	})
	w := &page{}
	w.write = func(p []byte) (int, error) { <-late; return len(p), nil }
	must(t, do(t, front, w, get(), nil, &client{}, nil))
}

// TestChildren: a child's request, body and answer go the other way, and children may have children.
func TestChildren(t *testing.T) {
	leavesNothing(t)
	front, _ := pair(t, func(x *Exchange) {
		if x.Req.HTTP.Path == "/inner" {
			io.Copy(x, x.Body())
			x.End(ended(200))
			return
		}
		q := post(5)
		q.For, q.Parent, q.Skip = ForChild, x.ID(), true
		var got bytes.Buffer
		w := &page{}
		w.write = got.Write
		res, _, err := x.Link().Do(context.Background(), w, q, strings.NewReader("child"), nil, &client{}, nil)
		if err != nil || res.Status != 418 || w.status != 418 || got.String() != "inner: child" {
			t.Errorf("%+v %v, %d %q", res, err, w.status, got.String())
		}
		x.Write(got.Bytes())
		x.End(ended(200))
	})
	a := &client{}
	a.child = func(x *Exchange) {
		q := post(-1)
		q.HTTP.Path = "/inner"
		x.WriteHeader(418)
		io.WriteString(x, "inner: ")
		w := &page{}
		w.write = x.Write
		_, _, err := front.Do(x.Context(), w, q, x.Body(), nil, &client{}, nil)
		if err != nil || !x.Req.Skip {
			t.Error(err)
		}
		x.End(ended(418))
	}
	var got bytes.Buffer
	w := &page{}
	w.write = got.Write
	must(t, do(t, front, w, get(), nil, a, nil))
	if got.String() != "inner: child" {
		t.Errorf("%q", got.String())
	}
}

// TestTooLong: what has no room in a frame fails by itself, and the link goes on.
func TestTooLong(t *testing.T) {
	leavesNothing(t)
	front, _ := pair(t, func(x *Exchange) {
		x.Header().Set("A", strings.Repeat("a", x.Req.Status*maxMessage))
		x.WriteHeader(103)
		x.WriteHeader(200)
		_, err := io.WriteString(x, "text")
		if (err == nil) != (x.Req.Status == 0) {
			t.Errorf("write: %v", err)
		}
		r := ended(200)
		r.LogQuery = strings.Repeat("q", 2*maxMessage)
		r.Fault = errors.New(r.LogQuery)
		x.End(r)
	})
	q := get()
	q.HTTP.URI = strings.Repeat("/", maxRequest)
	if _, began, err := front.Do(t.Context(), &page{}, q, nil, nil, &client{}, nil); !errors.Is(err, ErrTooLong) || began {
		t.Errorf("a request that is too long: %v", err)
	}
	q = get()
	q.Status = 1
	w := &page{}
	res := must(t, do(t, front, w, q, nil, &client{}, nil))
	if w.status != 500 || w.n != 0 || len(w.interim) != 0 || len(res.LogQuery) != maxText || len(res.Fault.Error()) != maxText {
		t.Errorf("a head that is too long: %+v, %d", w, len(res.LogQuery))
	}
	w = &page{}
	must(t, do(t, front, w, get(), nil, &client{}, nil))
	if w.status != 200 || w.n != 4 {
		t.Errorf("and then: %+v", w)
	}
	front.Tell("long", make([]byte, maxMessage))
}

// TestControl: questions that concern no request.
func TestControl(t *testing.T) {
	leavesNothing(t)
	a, b := sides(t)
	late := make(chan func(bool, []byte), 1)
	asked := make(chan struct{}, 1)
	worker := run(t, b, &owner{
		control: func(topic string, p []byte, answer func(bool, []byte)) error {
			switch topic {
			case "echo":
				answer(true, p)
				answer(false, nil) // once is enough
			case "no":
				answer(false, []byte("because"))
			case "long":
				answer(true, make([]byte, 2*maxMessage))
			default:
				late <- answer
				asked <- struct{}{}
			}
			return nil
		},
		note: func(topic string, p []byte) error {
			if topic != "note" || string(p) != "text" {
				t.Errorf("%s %q", topic, p)
			}
			return nil
		},
	}, false)
	front := run(t, a, &owner{}, true)
	front.Tell("note", []byte("text"))
	for range 3 {
		if p, err := front.Ask(nil, "echo", []byte("x")); string(p) != "x" || err != nil {
			t.Errorf("%q, %v", p, err)
		}
	}
	if _, err := front.Ask(nil, "no", nil); err == nil || err.Error() != "because" {
		t.Errorf("%v", err)
	}
	if p, err := front.Ask(nil, "long", nil); len(p) != maxMessage || err != nil {
		t.Errorf("%d, %v", len(p), err)
	}

	cancel, end := make(chan struct{}), make(chan error, 1)
	go func() { _, err := front.Ask(cancel, "late", nil); end <- err }()
	soon(t, "the question", asked)
	close(cancel)
	if err := soon(t, "the end", end); !errors.Is(err, ErrCancelled) {
		t.Error(err)
	}
	(<-late)(true, nil) // to nobody
	if p, err := front.Ask(nil, "echo", []byte("y")); string(p) != "y" || err != nil {
		t.Errorf("%q, %v", p, err)
	}

	go func() { _, err := front.Ask(nil, "never", nil); end <- err }()
	soon(t, "the question", asked)
	worker.Close(nil)
	if err := soon(t, "the end", end); !errors.Is(err, ErrDown) {
		t.Error(err)
	}
	if err := front.over(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if _, err := front.Ask(nil, "echo", nil); !errors.Is(err, ErrDown) {
		t.Errorf("a question on a link that is over: %v", err)
	}
	if _, began, err := front.Do(t.Context(), &page{}, get(), nil, nil, &client{}, nil); !errors.Is(err, ErrDown) || began {
		t.Errorf("a request on a link that is over: %v", err)
	}
	front.Tell("note", nil)
}

// TestDownInside: whoever waits for the other end is told when the link ends.
func TestDownInside(t *testing.T) {
	leavesNothing(t)
	asking := make(chan struct{}, 10)
	var served sync.WaitGroup
	front, worker := pair(t, func(x *Exchange) {
		served.Add(1)
		defer served.Done()
		switch x.Req.HTTP.Path {
		case "/ask":
			if ok, _, _ := x.Ask(AskAlive, nil); ok {
				t.Error("a question is answered by nobody")
			}
		case "/read":
			asking <- struct{}{}
			if _, err := x.Body().Read(make([]byte, 1)); err == nil {
				t.Error("a body comes from nobody")
			}
		case "/write":
			for {
				if _, err := x.Write(make([]byte, 1000)); err != nil {
					break
				}
			}
		case "/child":
			q := get()
			q.For, q.Parent = ForChild, x.ID()
			if _, _, err := x.Link().Do(context.Background(), &page{}, q, nil, nil, &client{}, nil); !errors.Is(err, ErrDown) {
				t.Errorf("child: %v", err)
			}
		}
		<-x.Context().Done()
		x.End(ended(200))
	})
	letGo := make(chan struct{})
	a := &client{
		question: func(Topic, []byte) (bool, []byte, *os.File) { asking <- struct{}{}; <-letGo; return true, nil, nil },
		child:    func(x *Exchange) { asking <- struct{}{}; <-x.Context().Done(); x.End(Result{}) },
	}
	reader, writer := io.Pipe()
	stuck := sync.OnceFunc(func() { asking <- struct{}{} })
	w := &page{write: func(p []byte) (int, error) { stuck(); <-letGo; return len(p), nil }}
	var answers []<-chan answer3
	for _, path := range []string{"/ask", "/read", "/write", "/child"} {
		q := get()
		q.HTTP.Path = path
		var body io.Reader
		if path == "/read" {
			q, body = post(-1), reader
			q.HTTP.Path = path
		}
		answers = append(answers, do(t, front, w, q, body, a, nil))
		soon(t, path, asking)
	}
	worker.Close(nil)
	served.Wait()
	close(letGo)
	writer.Close()
	for i, c := range answers {
		if r := soon(t, "the end", c); !errors.Is(r.err, ErrDown) || !errors.Is(r.err, io.EOF) || r.began != (i == 2) {
			t.Errorf("%d: %+v", i, r)
		}
	}
}
