package trace

import (
	"strings"
	"testing"
)

func TestMaskedLines(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"Content-Type: text/html\r\n\r\n", "Content-Type: text/html\r\n\r\n"},
		{"Set-Cookie: secret\r\nX: y\r\n", "Set-Cookie: ***\r\nX: y\r\n"},
		{"A: b\r\nset-cookie:secret", "A: b\r\nset-cookie: ***"},
		{"Cookie: secret\n more secret\n\tand more secret\nX: y", "Cookie: ***\nX: y"},
		{"Cookie: secret\r\n secret\r\nX: y", "Cookie: ***\r\nX: y"},
		{"Cookie: secret\rsecret\nX: y", "Cookie: ***\nX: y"},
		{"X: y\rCookie: secret", "X: y\rCookie: ***"},
		{"Authorization : secret\r\n", "Authorization : ***\r\n"},
		{" \tAuthorization: secret", " \tAuthorization: ***"},
		{"HTTP_COOKIE:secret\nHTTP_HOST:x\n", "HTTP_COOKIE: ***\nHTTP_HOST:x\n"},
		{"HTTP_PROXY_AUTHORIZATION:secret\n", "HTTP_PROXY_AUTHORIZATION: ***\n"},
		{"\nCookie2: secret\n\n", "\nCookie2: ***\n\n"},
		{"Cookie: secret\n", "Cookie: ***\n"},
		{"Cookie:secret\r", "Cookie: ***"},
		{"Cookies: y\nMy-Cookie: z", "Cookies: y\nMy-Cookie: z"},
		{"HTTP/1.1 200 OK\r\nSet-Cookie2: secret\r\n\r\nbody", "HTTP/1.1 200 OK\r\nSet-Cookie2: ***\r\n\r\nbody"},
		{"Cook", "Cook"},
		{"Cookie:", "Cookie: ***"},
		{":", ":"},
	} {
		got, hidden := appendMasked(nil, []byte(c.text))
		if string(got) != c.want || hidden != strings.Contains(c.want, masked) {
			t.Errorf("%q: %q, %v, want %q", c.text, got, hidden, c.want)
		}
	}
}

func TestMaskOf(t *testing.T) {
	for name, want := range map[string]mask{
		"HTTP_AUTHORIZATION": maskAll, "http_cookie": maskAll, "HTTP_PROXY_AUTHORIZATION": maskAll, "HTTP_PROXY-AUTHORIZATION": maskAll,
		"HEADER_Cookie": maskAll, "AUTH_PASSWORD": maskAll, "auth_password": maskAll, "UNICODE_AUTH_PASSWORD": maskAll, "Cookie:": maskAll,
		"Authorization": maskAll, "set-cookie": maskAll, "HTTP_SET_COOKIE": maskAll,
		"ALL_HTTP": maskLines, "ALL_RAW": maskLines, "unicode_all_raw": maskLines,
		"": asItIs, "HTTP_": asItIs, "UNICODE_": asItIs, "AUTH_USER": asItIs, "HTTP_COOKIES": asItIs, "REMOTE_ADDR": asItIs, "QUERY_STRING": asItIs,
	} {
		if got := maskOf([]byte(name)); got != want {
			t.Errorf("%q: %d, want %d", name, got, want)
		}
	}
}

// FuzzMask: whatever stands around it, a value that follows the name of a secret field at the beginning of a line is not seen.
func FuzzMask(f *testing.F) {
	f.Add("A: b\r\n", "Cookie", "\r\n")
	f.Add("", "authorization ", "\n folded")
	f.Fuzz(func(t *testing.T, before, name, after string) {
		if !isSecret([]byte(strings.Trim(name, " \t"))) || len(name) > 60 || strings.Contains(before+after, "s3cr3t") {
			return
		}
		got, _ := appendMasked(nil, []byte(before+"\n"+name+":s3cr3t"+after))
		if strings.Contains(string(got), "s3cr3t") {
			t.Errorf("%q shows it", got)
		}
	})
}
