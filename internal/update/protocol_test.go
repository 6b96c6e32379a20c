//go:build linux

package update_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/image"
	"github.com/isapid/isapid/internal/update"
	"github.com/isapid/isapid/internal/update/updatetest"
)

// TestProtocol: with next to nothing around it, the package does what whoever replaces images by files must do.
func TestProtocol(t *testing.T) {
	updatetest.Protocol(t, func(t *testing.T) *updatetest.Server {
		s := &server{t: t, folder: t.TempDir()}
		if err := os.WriteFile(filepath.Join(s.folder, "shop.so"), updatetest.Version(t, 1), 0o755); err != nil {
			t.Fatal(err)
		}
		s.start()
		t.Cleanup(func() { s.stop() })
		return &updatetest.Server{Folder: s.folder, Run: "shop.so", Answer: s.answer, Again: func() { s.stop(); s.start() }}
	})
}

// server serves nobody, but knows what it would.
type server struct {
	t      *testing.T
	folder string
	files  *update.Files
	stop   func()

	mu      sync.Mutex
	serving *image.Staged
}

func (s *server) start() {
	s.files = update.New(filepath.Join(s.folder, "shop.so"), false)
	if _, err := s.files.Recover(); err != nil {
		s.t.Fatal(err)
	}
	first, err := image.Stage(s.files.Run(), "")
	if err != nil {
		s.t.Fatal(err)
	}
	s.serving = first
	s.files.Serving(first.SHA256)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case <-time.After(2 * time.Millisecond):
				s.look()
			}
		}
	}()
	s.stop = sync.OnceFunc(func() {
		close(quit)
		<-done
		s.serving.Remove()
	})
}

// look tries what is there.
func (s *server) look() {
	sight := s.files.Look()
	if sight.Err != nil {
		s.t.Error(sight.Err)
	}
	if sight.Candidate == nil {
		return
	}
	c, old := *sight.Candidate, update.Copy{Path: s.serving.Path, SHA256: s.serving.SHA256}
	next, why := s.stage(c)
	if why == "" {
		if _, err := s.files.Accept(c, old, 2); err == nil {
			s.mu.Lock()
			s.serving, next = next, s.serving
			s.mu.Unlock()
		}
	} else if _, err := s.files.Reject(c, old, why); err != nil {
		s.t.Error(err)
	}
	if next != nil {
		next.Remove()
	}
}

// stage makes a copy of a candidate, or says why it will not do. Both are nothing when it has changed meanwhile.
func (s *server) stage(c update.Candidate) (staged *image.Staged, why string) {
	if c.Refuse != "" {
		return nil, c.Refuse
	}
	staged, err := image.StageVersion(s.files.Image(), c.Path, c.SHA256, "")
	if err != nil {
		return nil, ""
	}
	info, err := staged.Inspect()
	if err == nil {
		err = info.LoadableHere()
	}
	if err != nil {
		return staged, err.Error()
	}
	return staged, ""
}

// answer is the number of the version in force.
func (s *server) answer() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := os.ReadFile(s.serving.Path)
	if err != nil {
		return err.Error()
	}
	for n := 1; n < 10; n++ {
		if string(b) == string(updatetest.Version(s.t, n)) {
			return fmt.Sprint(n)
		}
	}
	return strings.TrimSpace(string(b[:min(len(b), 20)]))
}
