package remote

import (
	"fmt"
	"os"

	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/wire"
)

// channel makes the private channel to a worker: our end, and the worker's in spec. The caller closes those files when the process is
// started. On Windows every stream is plain.
func channel(_ bool, spec *proc.Spec) (ours wire.Stream, theirs []*os.File, err error) {
	ours, spec.In, spec.Out, err = wire.NewPipes()
	if err != nil {
		return ours, nil, fmt.Errorf("make the channel to the worker: %w", err)
	}
	return ours, []*os.File{spec.In, spec.Out}, nil
}
