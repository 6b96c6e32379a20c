package worker

import (
	"encoding/json"
	"errors"
	"os"
	"sync"

	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/trace"
	"github.com/isapid/isapid/internal/wire"
)

// Trace implements [wire.Peer].
func (w *worker) Trace(uint32, []byte, int, int) error {
	return &wire.ProtocolError{What: "a front tells of calls"}
}

// Board implements [wire.Peer].
func (w *worker) Board(f *os.File) error {
	mem, err := wire.MapBoard(f)
	var broken *wire.ProtocolError
	if errors.As(err, &broken) {
		return err
	}
	w.useBoard(mem, err)
	return nil
}

// useBoard has calls noted in mem, unless it could not be had. Without it they are noted in memory of this process, and are not known after
// its end.
func (w *worker) useBoard(mem []byte, err error) {
	if err == nil {
		err = native.UseBoard(mem)
	}
	if err != nil {
		w.log.Warn("calls of images are not known after the end of this worker", "error", err)
	}
}

// trace is [wire.AskTrace].
func (w *worker) trace(payload []byte, answer func(bool, []byte)) error {
	var list []trace.Subscription
	if err := json.Unmarshal(payload, &list); err != nil {
		return &wire.ProtocolError{What: wire.AskTrace + ": " + err.Error()}
	}
	if err := w.tap.Set(list, &w.sink); err != nil {
		answer(false, []byte(err.Error()))
		return nil
	}
	w.sink.forget(list)
	answer(true, nil)
	return nil
}

// sink sends what was recorded to the front. What the link does not take is dropped and counted.
type sink struct {
	link *wire.Link

	mu   sync.Mutex // guards lost
	lost map[uint32]int
}

// Batch implements [trace.Sink].
func (s *sink) Batch(subscription uint32, p []byte, events, dropped int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dropped += s.lost[subscription]
	if s.link.Trace(subscription, p, events, dropped) {
		delete(s.lost, subscription)
		return
	}
	if s.lost == nil {
		s.lost = map[uint32]int{}
	}
	s.lost[subscription] = dropped + events
}

// forget drops what was counted for those who are not in the list.
func (s *sink) forget(list []trace.Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := map[uint32]int{}
	for _, one := range list {
		if n := s.lost[one.ID]; n > 0 {
			kept[one.ID] = n
		}
	}
	s.lost = kept
}
