package isapi

import (
	"testing"
	"unsafe"
)

// TestLayout: the numbers are those of httpext.h, 64-bit and 32-bit.
func TestLayout(t *testing.T) {
	var (
		ecb  ControlBlock
		tf   TFInfo
		hx   SendHeaderExInfo
		mx   URLMapExInfo
		ux   UnicodeURLMapExInfo
		ui   ExecURLUserInfo
		ei   ExecURLEntityInfo
		es   ExecURLStatus
		xi   ExecURLInfo
		ce   CustomErrorInfo
		ci   CounterInfo
		ve   VectorElement
		rv   ResponseVector
		cc   CertContext
		cx   CertContextEx
		ti   TraceInfo
		vi   VersionInfo
		is64 = unsafe.Sizeof(uintptr(0)) == 8
	)
	for _, c := range []struct {
		name     string
		got      uintptr
		w64, w32 uintptr
	}{
		{"EXTENSION_CONTROL_BLOCK", unsafe.Sizeof(ecb), 192, 144},
		{"cbSize", unsafe.Offsetof(ecb.Size), 0, 0},
		{"dwVersion", unsafe.Offsetof(ecb.Version), 4, 4},
		{"ConnID", unsafe.Offsetof(ecb.ConnID), 8, 8},
		{"dwHttpStatusCode", unsafe.Offsetof(ecb.HTTPStatusCode), 16, 12},
		{"lpszLogData", unsafe.Offsetof(ecb.LogData), 20, 16},
		{"lpszMethod", unsafe.Offsetof(ecb.Method), 104, 96},
		{"lpszQueryString", unsafe.Offsetof(ecb.QueryString), 112, 100},
		{"lpszPathInfo", unsafe.Offsetof(ecb.PathInfo), 120, 104},
		{"lpszPathTranslated", unsafe.Offsetof(ecb.PathTranslated), 128, 108},
		{"cbTotalBytes", unsafe.Offsetof(ecb.TotalBytes), 136, 112},
		{"cbAvailable", unsafe.Offsetof(ecb.Available), 140, 116},
		{"lpbData", unsafe.Offsetof(ecb.Data), 144, 120},
		{"lpszContentType", unsafe.Offsetof(ecb.ContentType), 152, 124},
		{"GetServerVariable", unsafe.Offsetof(ecb.GetServerVariable), 160, 128},
		{"WriteClient", unsafe.Offsetof(ecb.WriteClient), 168, 132},
		{"ReadClient", unsafe.Offsetof(ecb.ReadClient), 176, 136},
		{"ServerSupportFunction", unsafe.Offsetof(ecb.ServerSupportFunction), 184, 140},
		{"HSE_VERSION_INFO", unsafe.Sizeof(vi), 260, 260},
		{"HSE_TF_INFO", unsafe.Sizeof(tf), 72, 44},
		{"pContext", unsafe.Offsetof(tf.Context), 8, 4},
		{"hFile", unsafe.Offsetof(tf.File), 16, 8},
		{"pszStatusCode", unsafe.Offsetof(tf.StatusCode), 24, 12},
		{"BytesToWrite", unsafe.Offsetof(tf.BytesToWrite), 32, 16},
		{"Offset", unsafe.Offsetof(tf.Offset), 36, 20},
		{"pHead", unsafe.Offsetof(tf.Head), 40, 24},
		{"HeadLength", unsafe.Offsetof(tf.HeadLength), 48, 28},
		{"pTail", unsafe.Offsetof(tf.Tail), 56, 32},
		{"TailLength", unsafe.Offsetof(tf.TailLength), 64, 36},
		{"dwFlags", unsafe.Offsetof(tf.Flags), 68, 40},
		{"HSE_SEND_HEADER_EX_INFO", unsafe.Sizeof(hx), 32, 20},
		{"pszHeader", unsafe.Offsetof(hx.Header), 8, 4},
		{"cchStatus", unsafe.Offsetof(hx.StatusLength), 16, 8},
		{"cchHeader", unsafe.Offsetof(hx.HeaderLength), 20, 12},
		{"fKeepConn", unsafe.Offsetof(hx.KeepConn), 24, 16},
		{"HSE_URL_MAPEX_INFO", unsafe.Sizeof(mx), 280, 280},
		{"mapex dwFlags", unsafe.Offsetof(mx.Flags), 260, 260},
		{"mapex cchMatchingPath", unsafe.Offsetof(mx.MatchingPath), 264, 264},
		{"mapex cchMatchingURL", unsafe.Offsetof(mx.MatchingURL), 268, 268},
		{"HSE_UNICODE_URL_MAPEX_INFO", unsafe.Sizeof(ux), 532, 532},
		{"umapex dwFlags", unsafe.Offsetof(ux.Flags), 520, 520},
		{"HSE_EXEC_URL_USER_INFO", unsafe.Sizeof(ui), 24, 12},
		{"HSE_EXEC_URL_ENTITY_INFO", unsafe.Sizeof(ei), 16, 8},
		{"HSE_EXEC_URL_STATUS", unsafe.Sizeof(es), 8, 8},
		{"HSE_EXEC_URL_INFO", unsafe.Sizeof(xi), 48, 24},
		{"dwExecUrlFlags", unsafe.Offsetof(xi.Flags), 40, 20},
		{"HSE_COUNTER_INFO", unsafe.Sizeof(ci), 32, 24},
		{"pszName", unsafe.Offsetof(ci.Name), 8, 8},
		{"ppszLabels", unsafe.Offsetof(ci.Labels), 16, 12},
		{"cLabels", unsafe.Offsetof(ci.Count), 24, 16},
		{"HSE_CUSTOM_ERROR_INFO", unsafe.Sizeof(ce), 16, 12},
		{"uHttpSubError", unsafe.Offsetof(ce.HTTPSubError), 8, 4},
		{"fAsync", unsafe.Offsetof(ce.Async), 12, 8},
		{"HSE_VECTOR_ELEMENT", unsafe.Sizeof(ve), 32, 24},
		{"pvContext", unsafe.Offsetof(ve.Context), 8, 4},
		{"cbOffset", unsafe.Offsetof(ve.Offset), 16, 8},
		{"cbSize (element)", unsafe.Offsetof(ve.Size), 24, 16},
		{"HSE_RESPONSE_VECTOR", unsafe.Sizeof(rv), 40, 20},
		{"nElementCount", unsafe.Offsetof(rv.Count), 24, 12},
		{"lpElementArray", unsafe.Offsetof(rv.Elements), 32, 16},
		{"CERT_CONTEXT", unsafe.Sizeof(cc), 40, 20},
		{"cbCertEncoded", unsafe.Offsetof(cc.EncodedSize), 16, 8},
		{"CERT_CONTEXT_EX", unsafe.Sizeof(cx), 48, 28},
		{"cbAllocated", unsafe.Offsetof(cx.Allocated), 40, 20},
		{"dwCertificateFlags", unsafe.Offsetof(cx.CertificateFlags), 44, 24},
		{"HSE_TRACE_INFO", unsafe.Sizeof(ti), 28, 28},
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

func TestCodeNames(t *testing.T) {
	if got := SendResponseHeaderEx.String(); got != "HSE_REQ_SEND_RESPONSE_HEADER_EX" {
		t.Errorf("1016: %s", got)
	}
	if got := Code(1009).String(); got != "HSE_REQ 1009" {
		t.Errorf("1009: %s", got)
	}
}
