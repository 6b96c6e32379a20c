package wire

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// TestOptionsTravel: a worker gets the options as the front has them.
func TestOptionsTravel(t *testing.T) {
	o := executor.Options{
		Name: "n", Threads: 1, Stack: 2, Queue: 3, QueueWait: -1, ReadAhead: 4, Pending: time.Second, Flush: time.Minute,
		OnFault: executor.FaultRefuse, Staging: "s", Place: "p", Version: executor.Version{File: "f", SHA256: "a", Size: 5, BuildID: "b"}, Filter: true,
		Generation: 6, Checks: executor.ChecksSampled,
	}
	b, err := json.Marshal(Image{ID: 1, Options: OptionsOf(o)})
	if err != nil {
		t.Fatal(err)
	}
	var got Image
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if back := got.Options.Executor(); !reflect.DeepEqual(back, o) {
		t.Errorf("got %+v, want %+v", back, o)
	}
	v := reflect.ValueOf(got.Options)
	for n := range v.NumField() {
		if v.Field(n).IsZero() {
			t.Errorf("%s does not travel, or is not tested", v.Type().Field(n).Name)
		}
	}
}
