// Package extension is the in-process executor.
package extension

import (
	"errors"

	"github.com/isapid/isapid/internal/executor"
)

// Open loads image and calls its GetExtensionVersion.
func Open(image string, o executor.Options) (executor.Executor, error) {
	return nil, errors.New("not built yet")
}
