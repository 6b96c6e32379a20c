package pool

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// imageState is an image of the pool.
type imageState struct {
	path    string
	version executor.Version // that the generation which serves loads
	opening bool             // no worker has loaded it yet and somebody waits for the answer
	err     error            // of the last load, nil if that was good or there was none
}

// reloadAfter is how long is waited before an image that failed to load in a worker is tried again there.
const reloadAfter = 30 * time.Second

// answer ends one Open: the image was loaded, or err says why it was dropped.
type answer struct {
	image   string
	version executor.Version
	err     error
}

func (w *worker) has(image string) bool { return slices.Contains(w.loaded, image) }

func (s *state) image(path string) *imageState {
	for i := range s.images {
		if s.images[i].path == path {
			return &s.images[i]
		}
	}
	return nil
}

// addImage adds an image, if there is none with the path. Where workers are wanted, the answer comes when one has loaded it;
// else it is taken as it is, and false is returned.
func (s *state) addImage(path string, v executor.Version) (waits bool) {
	m := s.image(path)
	if m == nil {
		s.images = append(s.images, imageState{path: path, version: v, opening: s.want == wantRun && (s.awake || !s.set.OnDemand)})
		m = &s.images[len(s.images)-1]
	}
	return m.opening
}

// dropImage has workers not load the image any more, and forget that they have: who opens it again may want another version. Its
// replacement is over.
func (s *state) dropImage(path string) {
	s.dropSwaps(path)
	s.images = slices.DeleteFunc(s.images, func(m imageState) bool { return m.path == path })
	is := func(image string) bool { return image == path }
	for i := range s.workers {
		w := &s.workers[i]
		w.loaded, w.assigned = slices.DeleteFunc(w.loaded, is), slices.DeleteFunc(w.assigned, is)
		delete(w.retry, path)
	}
}

// takeUnseen ends the wait of those who open images, because no worker is wanted that could load them now.
func (s *state) takeUnseen() {
	for i := range s.images {
		if m := &s.images[i]; m.opening {
			m.opening = false
			s.answers = append(s.answers, answer{m.path, m.version, nil})
		}
	}
}

// wants says whether a worker of a generation is to have a version of an image.
func (s *state) wants(gen int, b build) bool {
	return s.image(b.path) != nil && s.version(gen, b.path) == b.version
}

// loading says whether a worker is just loading the image.
func (s *state) loading(path string) bool {
	for i := range s.workers {
		w := &s.workers[i]
		if w.loading == path {
			return true
		}
		for _, image := range w.assigned {
			if image == path && w.phase == starting {
				return true
			}
		}
	}
	return false
}

// imageLoaded: the end of a load in a worker that serves.
func (s *state) imageLoaded(id int, path string, err error, now time.Time) {
	w := s.worker(id)
	if w == nil || w.loading != path {
		return // it is gone, and its end was the answer
	}
	w.loading = ""
	if err != nil {
		s.notLoaded(w, path, err, now)
		if errors.Is(err, context.DeadlineExceeded) && s.asked == "" {
			s.asked = "an image did not end its load"
		}
		return
	}
	w.loaded = append(w.loaded, path)
	s.proven(path)
}

// notLoading: what a worker was loading is not wanted any more.
func (s *state) notLoading(id int) {
	if w := s.worker(id); w != nil {
		w.loading = ""
	}
}

func (s *state) proven(path string) {
	m := s.image(path)
	if m == nil {
		return
	}
	if m.opening {
		s.answers = append(s.answers, answer{path, m.version, nil})
	}
	m.opening, m.err = false, nil
}

// notLoaded: an image that somebody opens is dropped, another is tried again later.
func (s *state) notLoaded(w *worker, path string, err error, now time.Time) {
	m := s.image(path)
	switch {
	case m == nil:
		return
	case m.opening:
		s.answers = append(s.answers, answer{path, m.version, err})
		s.dropImage(path)
		return
	case w.gen == s.gen.number || s.next != nil && w.gen == s.next.number:
		m.err = err
	}
	if w.retry == nil {
		w.retry = map[string]time.Time{}
	}
	w.retry[path] = now.Add(reloadAfter)
}
