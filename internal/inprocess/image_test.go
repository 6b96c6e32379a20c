package inprocess_test

import (
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/executor/executortest"
	"github.com/isapid/isapid/internal/executor/replacetest"
	"github.com/isapid/isapid/internal/inprocess"
)

var limits = inprocess.Limits{Load: 20 * time.Second, End: 20 * time.Second}

func TestReplace(t *testing.T) {
	replacetest.Run(t, func(path string, o executor.Options) (executor.Replaceable, error) {
		return inprocess.Open(path, o, limits)
	})
}

func TestReplaceFilter(t *testing.T) {
	replacetest.RunFilter(t, func(path string, o executor.Options) (executor.Replaceable, error) {
		return inprocess.Open(path, o, limits)
	})
}

func TestConformance(t *testing.T) {
	executortest.Run(t, func(path string, o executor.Options) (executor.Executor, error) {
		return inprocess.Open(path, o, limits)
	})
}
