//go:build linux

package wine

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/hub"
	"github.com/isapid/isapid/internal/trace"
)

// call is one that snoop shows.
type call struct{ image, name string }

// listen begins to listen, to workers that run already. The channel has to be read; it is closed when end is called, which waits for that, or after
// 20 seconds.
func (s *server) listen(filter trace.Filter) (calls <-chan call, end func()) {
	s.t.Helper()
	ctx, stop := context.WithTimeout(s.t.Context(), 20*time.Second)
	in, out := io.Pipe()
	began := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() {
		err := s.control.Snoop(ctx, "test", filter, func(p []byte) error {
			select {
			case began <- struct{}{}:
			default:
			}
			_, err := out.Write(p)
			return err
		})
		out.Close()
		ended <- err
	}()
	heard := make(chan call, 1000)
	go func() {
		defer close(heard)
		r := hub.NewReader(in)
		for {
			one, err := r.Next()
			if err != nil {
				return
			}
			if one.Kind == hub.KindBatch {
				_ = trace.Decode(one.Events, func(e *trace.Event) error {
					image, _ := r.Image(one.Source, e.Image)
					heard <- call{filepath.Base(image.Path), trace.Name(e.Func, e.Code)}
					return nil
				})
			}
		}
	}()
	<-began // with it is said that all listen
	return heard, func() {
		stop()
		for range heard { // until the stream has ended
		}
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			s.t.Error(err)
		}
	}
}

// snoop: the calls of a DLL can be listened to.
func snoop(t *testing.T, s *server) {
	s.want("/site.dll?map=/", 200, "*")
	calls, end := s.listen(trace.Filter{Image: "site.dll"})
	defer end()
	s.want("/site.dll?map=/page.txt", 200, "*")
	for c := range calls {
		if strings.Contains(c.name, "MAP_URL_TO_PATH") {
			return
		}
	}
	t.Error("the call was not seen")
}
