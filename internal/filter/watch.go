package filter

import (
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/trace"
)

// misused tells of a callback of the filter, from within that.
func (s *session) misused(kind executor.FindingKind, f trace.Func, code isapi.SFReq, text string) {
	if s.f.conf.Watch == nil {
		return
	}
	s.c.mu.Lock()
	request := s.request()
	s.c.mu.Unlock()
	s.f.conf.Watch.Caller(kind, f, uint32(code), request, text)
}

// outside is the answer of a callback that came while the filter was not in a notification of a request.
func (s *session) outside(f trace.Func, code isapi.SFReq) isapi.Error {
	s.misused(executor.OutsideNotify, f, code, "it was called outside of a notification, or in one that has no request")
	return isapi.InvalidParameter
}

// wrongSize is the answer of a callback that was given a size or a pointer that cannot be.
func (s *session) wrongSize(f trace.Func, text string) isapi.Error {
	s.misused(executor.WrongSize, f, 0, text)
	return isapi.InvalidParameter
}

// clean undoes what the filter wrote where it must not.
func (s *session) clean() {
	clean := s.blank
	clean.FilterContext = s.pfc.Struct().FilterContext
	*s.pfc.Struct() = clean
}

// overwritten undoes, and tells of, what the filter has written in a notification to fields of its context that are not its own.
func (s *session) overwritten(event uint32, request uint64) {
	is := *s.pfc.Struct()
	is.FilterContext = s.blank.FilterContext
	if is == s.blank {
		return
	}
	s.clean()
	if s.f.conf.Watch == nil {
		return
	}
	s.f.conf.Watch.Tell(executor.ContextOverwritten, trace.Name(trace.HttpFilterProc, event), request,
		"it has written to fields of its HTTP_FILTER_CONTEXT that are the server's; they were set right")
}
