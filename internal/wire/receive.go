package wire

import "os"

// receiver reads frames into one buffer, where they are handled in place.
type receiver struct {
	from  Stream
	files []*os.File // received and not yet claimed by a frame
	woken []waker    // those for whom something came since the last read
}

// waker is somebody who waits for frames.
type waker interface{ wakeUp() }

// run reads until there is nothing more, and calls handle for every frame. Those for whom something came are woken once, when all
// that was received is handled.
func (r *receiver) run(handle func(*frame) error) error {
	defer r.wakeAll()
	buf := make([]byte, usual)
	from, to := 0, 0
	for {
		need := headerSize
		for from < to {
			f, size, err := parseFrame(buf[from:to])
			if err != nil {
				return err
			}
			if size > to-from {
				need = size
				break
			}
			if err := handle(&f); err != nil {
				return err
			}
			from += size
		}
		r.wakeAll()
		if from == to && len(r.files) > 0 {
			return protocolError("%d descriptors that no frame claims", len(r.files))
		}
		buf, from, to = makeRoom(buf, from, to, need)
		n, files, err := r.from.recv(buf[to:])
		to += n
		r.files = append(r.files, files...)
		switch {
		case err != nil:
			return err
		case len(r.files) > maxFiles:
			return protocolError("%d descriptors that no frame claims", len(r.files))
		}
	}
}

// usual is the size of the buffer while there are no large frames, in bytes.
const usual = 256 << 10

// makeRoom moves what is left to the beginning of a buffer that has room for more. It grows towards the need bytes of a
// large frame as they come, not as they are announced.
func makeRoom(buf []byte, from, to, need int) (b []byte, newFrom, newTo int) {
	switch {
	case from == 0 && to == len(buf):
		bigger := make([]byte, min(need, 2*len(buf))+usual)
		return bigger, 0, copy(bigger, buf)
	case from == to && len(buf) > usual:
		return make([]byte, usual), 0, 0 // a large frame is over
	case from == to:
		return buf, 0, 0
	case from > 0:
		return buf, 0, copy(buf, buf[from:to])
	}
	return buf, from, to
}

// takeFile is the descriptor that came with the frame that is being handled.
func (r *receiver) takeFile() *os.File {
	if len(r.files) == 0 {
		return nil
	}
	f := r.files[0]
	r.files = r.files[1:]
	return f
}

// wake has w woken when all that was received is handled.
func (r *receiver) wake(w waker) { r.woken = append(r.woken, w) }

func (r *receiver) wakeAll() {
	for i, w := range r.woken {
		w.wakeUp()
		r.woken[i] = nil
	}
	r.woken = r.woken[:0]
}

func (r *receiver) close() {
	for _, f := range r.files {
		f.Close()
	}
	r.files = nil
}
