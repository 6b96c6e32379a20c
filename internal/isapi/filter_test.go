package isapi

import (
	"testing"
	"unsafe"
)

// TestFilterLayout: the numbers are those of httpfilt.h, 64-bit and 32-bit.
func TestFilterLayout(t *testing.T) {
	var (
		v    FilterVersion
		fc   FilterContext
		rd   FilterRawData
		ph   FilterPreprocHeaders
		ac   FilterAuthComplete
		au   FilterAuthent
		um   FilterURLMapEx
		ad   FilterAccessDenied
		lg   FilterLog
		is64 = unsafe.Sizeof(uintptr(0)) == 8
	)
	for _, c := range []struct {
		name     string
		got      uintptr
		w64, w32 uintptr
	}{
		{"HTTP_FILTER_VERSION", unsafe.Sizeof(v), 272, 272},
		{"dwServerFilterVersion", unsafe.Offsetof(v.ServerFilterVersion), 0, 0},
		{"dwFilterVersion", unsafe.Offsetof(v.FilterVersion), 4, 4},
		{"lpszFilterDesc", unsafe.Offsetof(v.Desc), 8, 8},
		{"dwFlags", unsafe.Offsetof(v.Flags), 268, 268},
		{"HTTP_FILTER_CONTEXT", unsafe.Sizeof(fc), 72, 44},
		{"cbSize", unsafe.Offsetof(fc.Size), 0, 0},
		{"Revision", unsafe.Offsetof(fc.Revision), 4, 4},
		{"ServerContext", unsafe.Offsetof(fc.ServerContext), 8, 8},
		{"ulReserved", unsafe.Offsetof(fc.Reserved), 16, 12},
		{"fIsSecurePort", unsafe.Offsetof(fc.IsSecurePort), 20, 16},
		{"pFilterContext", unsafe.Offsetof(fc.FilterContext), 24, 20},
		{"GetServerVariable", unsafe.Offsetof(fc.GetServerVariable), 32, 24},
		{"AddResponseHeaders", unsafe.Offsetof(fc.AddResponseHeaders), 40, 28},
		{"WriteClient", unsafe.Offsetof(fc.WriteClient), 48, 32},
		{"AllocMem", unsafe.Offsetof(fc.AllocMem), 56, 36},
		{"ServerSupportFunction", unsafe.Offsetof(fc.ServerSupportFunction), 64, 40},
		{"HTTP_FILTER_RAW_DATA", unsafe.Sizeof(rd), 24, 16},
		{"pvInData", unsafe.Offsetof(rd.Data), 0, 0},
		{"cbInData", unsafe.Offsetof(rd.Length), 8, 4},
		{"cbInBuffer", unsafe.Offsetof(rd.Capacity), 12, 8},
		{"raw dwReserved", unsafe.Offsetof(rd.Reserved), 16, 12},
		{"HTTP_FILTER_PREPROC_HEADERS", unsafe.Sizeof(ph), 32, 20},
		{"GetHeader", unsafe.Offsetof(ph.GetHeader), 0, 0},
		{"SetHeader", unsafe.Offsetof(ph.SetHeader), 8, 4},
		{"AddHeader", unsafe.Offsetof(ph.AddHeader), 16, 8},
		{"HttpStatus", unsafe.Offsetof(ph.HTTPStatus), 24, 12},
		{"dwReserved", unsafe.Offsetof(ph.Reserved), 28, 16},
		{"HTTP_FILTER_AUTH_COMPLETE_INFO", unsafe.Sizeof(ac), 48, 28},
		{"auth GetHeader", unsafe.Offsetof(ac.GetHeader), 0, 0},
		{"auth SetHeader", unsafe.Offsetof(ac.SetHeader), 8, 4},
		{"auth AddHeader", unsafe.Offsetof(ac.AddHeader), 16, 8},
		{"GetUserToken", unsafe.Offsetof(ac.GetUserToken), 24, 12},
		{"auth HttpStatus", unsafe.Offsetof(ac.HTTPStatus), 32, 16},
		{"fResetAuth", unsafe.Offsetof(ac.ResetAuth), 36, 20},
		{"auth dwReserved", unsafe.Offsetof(ac.Reserved), 40, 24},
		{"HTTP_FILTER_AUTHENT", unsafe.Sizeof(au), 32, 16},
		{"pszUser", unsafe.Offsetof(au.User), 0, 0},
		{"cbUserBuff", unsafe.Offsetof(au.UserSize), 8, 4},
		{"pszPassword", unsafe.Offsetof(au.Password), 16, 8},
		{"cbPasswordBuff", unsafe.Offsetof(au.PasswordSize), 24, 12},
		{"HTTP_FILTER_URL_MAP_EX", unsafe.Sizeof(um), 40, 28},
		{"pszURL", unsafe.Offsetof(um.URL), 0, 0},
		{"pszPhysicalPath", unsafe.Offsetof(um.Path), 8, 4},
		{"cbPathBuff", unsafe.Offsetof(um.PathSize), 16, 8},
		{"map dwFlags", unsafe.Offsetof(um.Flags), 20, 12},
		{"cchMatchingPath", unsafe.Offsetof(um.MatchingPath), 24, 16},
		{"cchMatchingURL", unsafe.Offsetof(um.MatchingURL), 28, 20},
		{"pszScriptMapEntry", unsafe.Offsetof(um.ScriptMap), 32, 24},
		{"HTTP_FILTER_ACCESS_DENIED", unsafe.Sizeof(ad), 24, 12},
		{"denied pszURL", unsafe.Offsetof(ad.URL), 0, 0},
		{"denied pszPhysicalPath", unsafe.Offsetof(ad.Path), 8, 4},
		{"dwReason", unsafe.Offsetof(ad.Reason), 16, 8},
		{"HTTP_FILTER_LOG", unsafe.Sizeof(lg), 72, 44},
		{"pszClientHostName", unsafe.Offsetof(lg.ClientHostName), 0, 0},
		{"pszClientUserName", unsafe.Offsetof(lg.ClientUserName), 8, 4},
		{"pszServerName", unsafe.Offsetof(lg.ServerName), 16, 8},
		{"pszOperation", unsafe.Offsetof(lg.Operation), 24, 12},
		{"pszTarget", unsafe.Offsetof(lg.Target), 32, 16},
		{"pszParameters", unsafe.Offsetof(lg.Parameters), 40, 20},
		{"dwHttpStatus", unsafe.Offsetof(lg.HTTPStatus), 48, 24},
		{"dwWin32Status", unsafe.Offsetof(lg.Win32Status), 52, 28},
		{"dwBytesSent", unsafe.Offsetof(lg.BytesSent), 56, 32},
		{"dwBytesRecvd", unsafe.Offsetof(lg.BytesReceived), 60, 36},
		{"msTimeForProcessing", unsafe.Offsetof(lg.Milliseconds), 64, 40},
	} {
		want := c.w32
		if is64 {
			want = c.w64
		}
		if c.got != want {
			t.Errorf("%s: %d, want %d", c.name, c.got, want)
		}
	}
}

func TestFilterNames(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Notification(NotifyURLMap).String(), "SF_NOTIFY_URL_MAP"},
		{Notification(NotifyLog | NotifyOrderHigh).String(), "SF_NOTIFY_LOG|SF_NOTIFY_ORDER_HIGH"},
		{Notification(NotifyAuthComplete | 0x10).String(), "SF_NOTIFY_AUTH_COMPLETE|0x10"},
		{Notification(0).String(), "0x0"},
		{FilterStatus(FilterFinished).String(), "SF_STATUS_REQ_FINISHED"},
		{FilterStatus(FilterReadNext).String(), "SF_STATUS_REQ_READ_NEXT"},
		{FilterStatus(FilterReadNext + 1).String(), "0x8000006"},
		{FilterStatus(0).String(), "0x0"},
		{SFDisableNotifications.String(), "SF_REQ_DISABLE_NOTIFICATIONS"},
		{SFGetCertInfoEx.String(), "HSE_REQ_GET_CERT_INFO_EX"},
		{SFReq(3000).String(), "SF_REQ 3000"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
	if n := len(SFReqs()); n != 11 {
		t.Errorf("%d named requests, want 11", n)
	}
}

// TestNotifyEvents: one bit for each event, and none of the modifiers.
func TestNotifyEvents(t *testing.T) {
	if n := uint32(NotifyEvents); n != 0x0400FFC0 {
		t.Errorf("NotifyEvents is %#x, want 0x400ffc0", n)
	}
}
