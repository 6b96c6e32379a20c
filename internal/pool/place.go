package pool

import "github.com/isapid/isapid/internal/executor"

// placed is an image in a worker that knows where it is.
type placed struct {
	image
	at *executor.Place
}

// place says of an image where it is.
func (p *Pool) place(sl *slot, w process, b build, i image) image {
	at := &executor.Place{Pool: p.name, Worker: sl.name, Image: b.path, SHA256: b.version.SHA256, Pid: w.Pid(), Generation: sl.gen}
	if numbered, ok := i.(interface{ Number() uint64 }); ok {
		at.ImageID = numbered.Number()
	}
	return placed{i, at}
}

// placeOf is where an image is; nil: that is not known.
func placeOf(i image) *executor.Place {
	if p, ok := i.(placed); ok {
		return p.at
	}
	return nil
}
