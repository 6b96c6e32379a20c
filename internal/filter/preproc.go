package filter

import (
	"sync"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
)

type headerFuncs struct{ get, set, add, token uintptr }

var funcs = sync.OnceValue(func() (f headerFuncs) {
	f.get, f.set, f.add, f.token = native.FilterHeaderFuncs()
	return f
})

// preproc is PREPROC_HEADERS: filters may change the request. The route that they asked for, with server variables, is forgotten
// when it leads somewhere else afterwards.
func (q *run) preproc() verdict {
	v := next
	if q.events&isapi.NotifyPreprocHeaders != 0 {
		f := funcs()
		at := q.base + atHeaders
		v = q.notify(isapi.NotifyPreprocHeaders, at, func() int {
			q.reroute()
			return put(at, isapi.FilterPreprocHeaders{GetHeader: f.get, SetHeader: f.set, AddHeader: f.add})
		}, nil)
		q.reroute()
	}
	if v == next {
		q.lead()
	}
	return v
}

// reroute forgets where the request led if filters have changed that, and tells whether.
func (q *run) reroute() bool {
	if !q.moved {
		return false
	}
	q.moved, q.route = false, nil
	return true
}
