package reply

import (
	"io"

	"github.com/isapid/isapid/internal/isapi"
)

// Pieces is what one call sends: nothing of anybody else comes between its parts.
type Pieces struct {
	Head       *isapi.Head // nil: none
	List       []Piece
	Disconnect bool // HSE_IO_DISCONNECT_AFTER_SEND: the connection ends with this response, and what follows is dropped
	Together   bool // in as few system calls as can be
}

// Piece is memory, or a part of a file.
type Piece struct {
	Bytes []byte
	File  *Section // nil: Bytes
}

// Close closes the files.
func (p *Pieces) Close() {
	for i := range p.List {
		if f := p.List[i].File; f != nil {
			f.Close()
			p.List[i].File = nil
		}
	}
}

// Send sends p and closes its files. It answers how many bytes of its list were sent.
func (s *Response) Send(p *Pieces) (n int64, err isapi.Error) {
	defer p.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.Disconnect {
		s.closeAfter()
	}
	if p.Together && s.r.TLS == nil && !s.finished {
		s.with.Client.Cork()
		defer func() {
			if s.with.Client.Uncork() != nil && err == isapi.OK {
				err = s.gone()
			}
		}()
	}
	if p.Head != nil {
		if err = s.beginLocked(p.Head, nil); err != isapi.OK {
			return 0, err
		}
	}
	for i := range p.List {
		m, err := s.sendPiece(&p.List[i])
		if n += m; err != isapi.OK {
			return n, err
		}
	}
	err = s.flushLocked()
	s.ended = s.ended || p.Disconnect
	return n, err
}

func (s *Response) sendPiece(p *Piece) (int64, isapi.Error) {
	if p.File != nil {
		return s.copyFile(p.File)
	}
	if err := s.writeLocked(p.Bytes); err != isapi.OK {
		return 0, err
	}
	return int64(len(p.Bytes)), isapi.OK
}

// copyFile sends a section as body. The kernel does it where it can: a plain connection and a known Content-Length.
func (s *Response) copyFile(part *Section) (int64, isapi.Error) {
	if !s.head || s.chunks != nil || s.nobody || s.ended || s.finished || s.err != isapi.OK || s.declared >= 0 && part.len > s.declared-s.written {
		n, err := s.copyThrough(part.reader())
		if err == isapi.OK {
			err = cutShort(part, n)
		}
		return n, err
	}
	n, err := io.Copy(s.w, part.reader())
	s.written += n
	if err != nil {
		return n, s.gone()
	}
	s.touch()
	return n, cutShort(part, n)
}

// cutShort is the error for a file that lost its end while it was sent.
func cutShort(part *Section, n int64) isapi.Error {
	if part.short(n) {
		return isapi.ReadFault
	}
	return isapi.OK
}

// copyThrough is the slow way, by the rules of every other write.
func (s *Response) copyThrough(r io.Reader) (n int64, e isapi.Error) {
	buf := make([]byte, 64<<10)
	for {
		m, err := r.Read(buf)
		if e = s.writeLocked(buf[:m]); e != isapi.OK {
			return n, e
		}
		n += int64(m)
		switch {
		case err == io.EOF:
			return n, isapi.OK
		case err != nil:
			return n, isapi.ReadFault
		}
	}
}
