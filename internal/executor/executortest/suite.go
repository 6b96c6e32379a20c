// Package executortest is the conformance suite: it defines what an executor is by running real extensions, compiled
// from testdata/ext, behind a real HTTP server. Every executor passes the same suite:
//
//	func TestConformance(t *testing.T) { executortest.Run(t, extension.Open) }
package executortest

import (
	"github.com/isapid/isapid/internal/executor"
)

// Open loads an image with the executor under test.
type Open func(image string, o executor.Options) (executor.Executor, error)
