package wire

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"
)

// answering is the answer of an exchange as it is written. Frames are collected, so that a page leaves with its end in one write.
type answering struct {
	header http.Header
	reason string
	wrote  bool   // the head
	out    []byte // frames not sent yet
	last   int    // where the last frame in out begins, noData if there is none
	shared int    // bytes in the region that out tells of
	hangUp bool
}

// usualOut is how long the frames of a short answer are together, in bytes.
const usualOut = 1 << 10

// outFull is when the frames collected so far are sent, in bytes.
const outFull = 128 << 10

// sharedFull is when they are sent for what they tell of the region, in bytes there.
const sharedFull = regionSize / 4

// Header implements [http.ResponseWriter].
func (x *Exchange) Header() http.Header {
	if x.header == nil {
		if x.header = x.Req.HTTP.Preset; x.header == nil {
			x.header = http.Header{}
		}
	}
	return x.header
}

// SetReason is the reason phrase of the next head with a status from 200 on.
func (x *Exchange) SetReason(text string) { x.reason = text }

// HangUp has the connection closed behind the response.
func (x *Exchange) HangUp() { x.hangUp = true }

// WriteHeader implements [http.ResponseWriter]. Interim heads may precede.
func (x *Exchange) WriteHeader(status int) {
	if x.wrote || status < 100 || status > maxStatus {
		return
	}
	if x.out == nil {
		x.out = make([]byte, 0, usualOut)
	}
	h := head{status: status, header: x.Header()}
	if status >= 200 {
		h.reason, x.wrote = x.reason, true
	}
	x.last = len(x.out)
	x.out = end(h.append(begin(x.out, kHead, 0, x.id)), x.last)
	if len(x.out)-x.last-headerSize > maxMessage {
		x.out = x.out[:x.last]
		x.headTooLong(status)
	}
	if status < 200 {
		x.sendOut()
	}
}

// headTooLong: an interim head is left out, instead of any other the client gets an empty 500.
func (x *Exchange) headTooLong(status int) {
	if status < 200 {
		return
	}
	h := head{status: http.StatusInternalServerError}
	x.out = end(h.append(begin(x.out, kHead, 0, x.id)), x.last)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.gone == nil {
		x.gone = fmt.Errorf("the head of the response has more than %d bytes", maxMessage)
	}
}

// Write implements [http.ResponseWriter]. It waits while the client takes nothing; it fails when the client is known to be gone.
func (x *Exchange) Write(p []byte) (n int, err error) {
	if !x.wrote {
		x.WriteHeader(http.StatusOK)
	}
	for len(p) > 0 {
		room, shared, err := x.room(min(len(p), maxData))
		if err != nil {
			return n, err
		}
		if !shared {
			x.appendData(0, p[:room])
		} else if err := x.share(p[:room]); err != nil {
			return n, err
		}
		x.mu.Lock()
		x.window -= room
		x.mu.Unlock()
		n, p = n+room, p[room:]
		if len(x.out) >= outFull || x.shared >= sharedFull {
			x.sendOut()
		}
	}
	return n, nil
}

// appendData appends the payload of a DATA to the last frame, or as one of its own. It may be an extension's memory: if reading it
// faults, nothing has changed.
func (x *Exchange) appendData(flags uint8, p []byte) {
	if at := x.last; at != noData && at < len(x.out) && kind(x.out[at+4]) == kData {
		if out, ok := moreData(x.out, at, flags, p); ok {
			x.out = out
			return
		}
	}
	at := len(x.out)
	x.out = append(appendHeader(x.out, kData, flags, x.id, len(p)), p...)
	x.last = at
}

// room is how many of n bytes may be sent, at least one, and whether through a region; or an error.
func (x *Exchange) room(n int) (may int, shared bool, err error) {
	for {
		x.mu.Lock()
		window, gone, deadline, shared := x.window, x.gone, x.writeDeadline, x.down.region != nil
		x.mu.Unlock()
		switch {
		case gone != nil:
			return 0, false, gone
		case !deadline.IsZero() && !time.Now().Before(deadline):
			return 0, false, os.ErrDeadlineExceeded
		case window > 0:
			return min(n, window), shared, nil
		}
		x.sendOut()
		if err := waitFor(x.windowWake, deadline); err != nil {
			return 0, false, err
		}
	}
}

// Flush implements [http.Flusher].
func (x *Exchange) Flush() { _ = x.FlushError() }

// FlushError sends what was written on its way to the client.
func (x *Exchange) FlushError() error {
	if !x.wrote {
		x.WriteHeader(http.StatusOK)
	}
	if x.last == noData || x.last >= len(x.out) {
		x.appendData(0, nil)
	}
	x.out[x.last+5] |= flagFlush
	x.sendOut()
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.gone
}

func (x *Exchange) sendOut() {
	if len(x.out) > 0 {
		x.l.write(x.out)
		x.out, x.shared = x.out[:0], 0
	}
	x.last = noData
}

// ReadFrom implements [io.ReaderFrom]: part of a regular file is sent by the other end, which is given its descriptor, or read right into
// the frames of the answer where the stream carries none.
func (x *Exchange) ReadFrom(r io.Reader) (int64, error) {
	if part, ok := r.(*io.LimitedReader); ok && part.N > outFull {
		if f, ok := part.R.(*os.File); ok && regular(f) {
			if x.l.conn.plain {
				return x.copyFile(part)
			}
			if at, err := f.Seek(0, io.SeekCurrent); err == nil {
				return x.sendFile(f, at, part.N)
			}
		}
	}
	return io.Copy(writerOnly{x}, r)
}

// copyFile sends what r has, which is a file.
func (x *Exchange) copyFile(r *io.LimitedReader) (n int64, err error) {
	if !x.wrote {
		x.WriteHeader(http.StatusOK)
	}
	for r.N > 0 && err == nil {
		var room int
		if room, _, err = x.room(int(min(r.N, maxData))); err != nil {
			return n, err
		}
		at := len(x.out)
		x.out = slices.Grow(begin(x.out, kData, 0, x.id), room)
		var got int
		got, err = io.ReadFull(r, x.out[at+headerSize:at+headerSize+room])
		if got == 0 {
			x.out = x.out[:at]
			break
		}
		x.out = end(x.out[:at+headerSize+got], at)
		x.last = at
		x.mu.Lock()
		x.window -= got
		x.mu.Unlock()
		n += int64(got)
		if len(x.out) >= outFull {
			x.sendOut()
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // the file is shorter, which is not for this end to judge
		err = nil
	}
	return n, err
}

type writerOnly struct{ io.Writer }

func regular(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}

// errNotSent is what is known of a file that did not reach the client as a whole.
var errNotSent = errors.New("the file could not be sent")

func (x *Exchange) sendFile(f *os.File, off, n int64) (int64, error) {
	if !x.wrote {
		x.WriteHeader(http.StatusOK)
	}
	x.sendOut()
	dup, err := duplicate(f)
	if err != nil {
		return 0, err
	}
	c := make(chan reply, 1)
	x.mu.Lock()
	if x.gone != nil {
		defer x.mu.Unlock()
		dup.Close()
		return 0, x.gone
	}
	x.expect(0, c)
	x.mu.Unlock()
	b := appendUint(begin(nil, kFile, 0, x.id), uint64(off))
	x.l.writeWithFile(end(appendUint(b, uint64(n)), 0), dup)
	r := <-c
	sent := int64(min(number64(r.payload), uint64(n)))
	if r.ok {
		return sent, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.gone != nil {
		return sent, x.gone
	}
	return sent, errNotSent
}

// End ends the exchange; nothing of it may be used after it.
func (x *Exchange) End(res Result) {
	x.l.mu.Lock()
	delete(x.l.served, x.id)
	x.l.mu.Unlock()
	x.cut()
	x.giveBack()
	res.HangUp = res.HangUp || x.hangUp
	res.LogData, res.LogQuery = clip(res.LogData), clip(res.LogQuery)
	at := len(x.out)
	x.out = begin(x.out, kEnd, 0, x.id)
	x.out = end(res.append(x.out), at)
	x.l.write(x.out)
}

// maxText is how much of a text for a log travels, in bytes.
const maxText = 64 << 10

func clip(s string) string { return s[:min(len(s), maxText)] }
