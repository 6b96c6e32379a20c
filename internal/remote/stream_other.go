//go:build !linux && !windows

package remote

import (
	"errors"
	"os"

	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/wire"
)

func channel(bool, *proc.Spec) (ours wire.Stream, theirs []*os.File, err error) {
	return ours, nil, errors.New("isolated workers are not supported on this system yet: use mode in-process")
}
