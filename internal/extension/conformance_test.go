package extension_test

import (
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/executor/executortest"
	"github.com/isapid/isapid/internal/extension"
)

func TestConformance(t *testing.T) {
	executortest.Run(t, func(image string, o executor.Options) (executor.Executor, error) {
		return extension.Open(image, o)
	})
}
