package inprocess_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/executor/executortest"
	"github.com/isapid/isapid/internal/executor/replacetest"
	"github.com/isapid/isapid/internal/filter"
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
		i, err := inprocess.Open(path, o, limits)
		return through{i}, err
	})
}

// through is an image for requests that go through its filter half alone.
type through struct{ *inprocess.Image }

// Filter begins the passage of a request, which release ends.
func (i through) Filter(r *http.Request) (f *filter.Filter, release func(*executor.Result), err error) {
	p := inprocess.Begin(r, time.Now())
	if f, err = i.Image.Filter(p); err != nil {
		p.End(nil)
		return nil, nil, err
	}
	return f, p.End, nil
}

func TestConformance(t *testing.T) {
	executortest.Run(t, func(path string, o executor.Options) (executor.Executor, error) {
		return inprocess.Open(path, o, limits)
	})
}
