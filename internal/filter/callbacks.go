package filter

import (
	"github.com/isapid/isapid/internal/isapi"
)

// GetServerVariable is the callback of that name.
func (s *session) GetServerVariable(name, buf, size uintptr) isapi.Error {
	return isapi.InvalidParameter
}
func (s *session) AddResponseHeaders(text, reserved uintptr) isapi.Error {
	return isapi.InvalidParameter
}
func (s *session) WriteClient(buf, size uintptr, reserved uint32) isapi.Error {
	return isapi.InvalidParameter
}
func (s *session) AllocMem(size uint32) uintptr { return s.mem.Alloc(int(size)) }
func (s *session) ServerSupportFunction(code isapi.SFReq, data, ul1, ul2 uintptr) isapi.Error {
	return isapi.InvalidParameter
}
func (s *session) GetHeader(name, buf, size uintptr) isapi.Error { return isapi.InvalidParameter }
func (s *session) SetHeader(name, value uintptr) isapi.Error     { return isapi.InvalidParameter }
func (s *session) AddHeader(name, value uintptr) isapi.Error     { return isapi.InvalidParameter }
func (s *session) GetUserToken(token uintptr) isapi.Error        { return isapi.NoToken }
