package executortest

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/testwait"
)

func testVariables(t *testing.T, s *suite) {
	srv := s.serve(t, "variables", executor.Options{})
	for _, sub := range []struct {
		name string
		run  func(*testing.T, *server)
	}{
		{"Plain", testPlainVariables},
		{"Headers", testHeaderVariables},
		{"All", testAllHeaders},
		{"Size", testVariableSize},
		{"Wide", testWideVariables},
		{"Hostile", testVariableHostile},
		{"Time", testVariableTime},
	} {
		t.Run(sub.name, func(t *testing.T) { sub.run(t, srv) })
	}
}

// plainVariables are all that are no headers, with what they are for "VERB /app.dll/a%20b?list=… HTTP/1.x" in clear text. Words
// in capitals stand for what differs.
var plainVariables = []struct{ name, value string }{
	{"APPL_MD_PATH", "/LM/W3SVC/7/ROOT"}, {"APPL_PHYSICAL_PATH", "FOLDER/"}, {"APP_POOL_ID", "pool"}, {"APP_POOL_CONFIG", ""},
	{"AUTH_TYPE", ""}, {"AUTH_USER", ""}, {"AUTH_PASSWORD", ""}, {"LOGON_USER", ""}, {"REMOTE_USER", ""}, {"UNMAPPED_REMOTE_USER", ""},
	{"CACHE_URL", "http://h.example:PORT/app.dll/a b"},
	{"CERT_COOKIE", ""}, {"CERT_FLAGS", ""}, {"CERT_ISSUER", ""}, {"CERT_SUBJECT", ""}, {"CERT_SERIALNUMBER", ""},
	{"CERT_KEYSIZE", ""}, {"CERT_SECRETKEYSIZE", ""}, {"CERT_SERVER_ISSUER", ""}, {"CERT_SERVER_SUBJECT", ""},
	{"CONTENT_LENGTH", "LENGTH"}, {"CONTENT_TYPE", "TYPE"},
	{"CRYPT_CIPHER_ALG_ID", ""}, {"CRYPT_HASH_ALG_ID", ""}, {"CRYPT_KEYEXCHANGE_ALG_ID", ""}, {"CRYPT_PROTOCOL", ""},
	{"DOCUMENT_ROOT", "FOLDER"}, {"FORWARDED_URL", ""}, {"GATEWAY_INTERFACE", "CGI/1.1"},
	{"HTTPS", "off"}, {"HTTPS_KEYSIZE", ""}, {"HTTPS_SECRETKEYSIZE", ""}, {"HTTPS_SERVER_ISSUER", ""}, {"HTTPS_SERVER_SUBJECT", ""},
	{"HTTP_METHOD", "VERB"}, {"HTTP_URL", "/app.dll/a%20b?QUERY"}, {"HTTP_VERSION", "VERSION"},
	{"INSTANCE_ID", "7"}, {"INSTANCE_META_PATH", "/LM/W3SVC/7"}, {"INSTANCE_NAME", "test"},
	{"LOCAL_ADDR", "127.0.0.1"}, {"MANAGED_PIPELINE_MODE", ""},
	{"PATH_INFO", "/a b"}, {"PATH_TRANSLATED", "FOLDER/a b"}, {"QUERY_STRING", "QUERY"},
	{"REMOTE_ADDR", "127.0.0.1"}, {"REMOTE_HOST", "127.0.0.1"}, {"REMOTE_PORT", "CLIENT"},
	{"REQUEST_METHOD", "VERB"}, {"REQUEST_FILENAME", "FOLDER/app.dll"}, {"SCRIPT_FILENAME", "FOLDER/app.dll"},
	{"REQUEST_FLAGS", "0"}, {"REQUEST_URI", "/app.dll/a%20b"},
	{"SCRIPT_NAME", "/app.dll"}, {"SCRIPT_TRANSLATED", "UNLIMITEDFOLDER/app.dll"}, {"SERVER_ADDR", "127.0.0.1"}, {"SERVER_NAME", "h.example"},
	{"SERVER_PORT", "PORT"}, {"SERVER_PORT_SECURE", "0"}, {"SERVER_PROTOCOL", "VERSION"}, {"SERVER_SOFTWARE", executor.Software},
	{"SSL_CLIENT_CN", ""}, {"SSL_CLIENT_EMAIL", ""}, {"SSL_CLIENT_OU", ""}, {"SSL_CLIENT_O", ""}, {"SSL_CLIENT_L", ""},
	{"SSL_CLIENT_ST", ""}, {"SSL_CLIENT_C", ""}, {"SSL_CLIENT_I_CN", ""}, {"SSL_CLIENT_I_EMAIL", ""}, {"SSL_CLIENT_I_OU", ""},
	{"SSL_CLIENT_I_O", ""}, {"SSL_CLIENT_I_L", ""}, {"SSL_CLIENT_I_ST", ""}, {"SSL_CLIENT_I_C", ""},
	{"UNENCODED_URL", "/app.dll/a%20b?QUERY"}, {"URL", "/app.dll"},
	{"AUTHTEXTYPE", "error 1413"}, {"NO_SUCH_VARIABLE", "error 1413"},
}

func testPlainVariables(t *testing.T, srv *server) {
	var names, lines []string
	for _, v := range plainVariables {
		names = append(names, v.name)
		lines = append(lines, v.name+"="+v.value+"\n")
	}
	query := "list=" + strings.Join(names, ",")
	_, port, _ := net.SplitHostPort(srv.addr)
	for _, c := range []struct{ verb, version, header, body, length, content string }{
		{verb: "GET", version: "HTTP/1.1", length: "0"},
		{verb: "PURGE", version: "HTTP/1.0", length: "0"},
		{verb: "POST", version: "HTTP/1.1", header: "Content-Type: text/x\r\nContent-Length: 2\r\n", body: "ab", length: "2", content: "text/x"},
		{verb: "POST", version: "HTTP/1.1", header: "Transfer-Encoding: chunked\r\n", body: "2\r\nab\r\n0\r\n\r\n", length: "2"},
	} {
		t.Run(c.verb+" "+c.version+" "+c.content, func(t *testing.T) {
			conn := srv.dial()
			defer conn.Close()
			_, client, _ := net.SplitHostPort(conn.LocalAddr().String())
			got := exchange(t, conn, c.verb, c.verb+" /app.dll/a%20b?"+query+" "+c.version+"\r\nHost: h.example:99\r\n"+c.header+"\r\n"+c.body)
			fill := strings.NewReplacer("UNLIMITED", srv.images.unlimited(), "FOLDER/", srv.images.below(srv.root, "/"), "FOLDER", srv.images.seen(srv.root), "PORT", port, "CLIENT", client, "LENGTH", c.length, "TYPE", c.content, "VERB", c.verb,
				"VERSION", c.version, "QUERY", query)
			for i, line := range strings.SplitAfter(strings.TrimSuffix(got, "\n")+"\n", "\n")[:len(lines)] {
				name, value, _ := strings.Cut(lines[i], "=")
				if want := name + "=" + fill.Replace(value); line != want {
					t.Errorf("%q, want %q", line, want)
				}
			}
		})
	}
	for target, want := range map[string]string{ // a whole URL, as for a proxy
		"HTTP_URL": "http://else.example/app.dll/%41?value=HTTP_URL", "REQUEST_URI": "/app.dll/%41", "URL": "/app.dll", "SERVER_NAME": "else.example",
	} {
		if got := split(t, srv.raw("GET http://else.example/app.dll/%41?value="+target+" HTTP/1.0\r\nHost: h\r\n\r\n"), "GET").body; got != want {
			t.Errorf("%s of a whole URL is %q, want %q", target, got, want)
		}
	}
}

// exchange sends a request and returns the body of the answer.
func exchange(t *testing.T, c net.Conn, method, request string) string {
	t.Helper()
	if _, err := c.Write([]byte(strings.Replace(request, "\r\n", "\r\nConnection: close\r\n", 1))); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for buf := make([]byte, 4096); ; {
		n, err := c.Read(buf)
		all.Write(buf[:n])
		if err != nil {
			break
		}
	}
	body := split(t, all.String(), method).body
	return body
}

// testHeaderVariables: HTTP_ turns "_" into "-", HEADER_ does not; several of a name are joined; case does not matter; a header
// that is absent is ERROR_INVALID_INDEX.
func testHeaderVariables(t *testing.T, srv *server) {
	const header = "Host: h:1\r\nX-One: 1\r\nx-two: a\r\nX-Two: b, c\r\nX_Three: 3\r\nX-Empty:\r\nAccept: */*\r\nCookie: a=1; b=2\r\nMethod: M\r\nURL: U\r\n" +
		"X-Spaces: \t a  b \t \r\nX-8bit: \xe4\r\n"
	for name, want := range map[string]string{
		"HTTP_HOST": "h:1", "HTTP_X_ONE": "1", "http_x_one": "1", "Http_X_One": "1", "HTTP_X_TWO": "a,b, c", "HTTP_X_EMPTY": "", "HTTP_ACCEPT": "*/*",
		"HTTP_COOKIE": "a=1; b=2", "HTTP_X_SPACES": "a  b", "HTTP_X_8BIT": "\xe4", "HTTP_X-ONE": "1",
		"HEADER_X-One": "1", "HEADER_x-one": "1", "HEADER_X_Three": "3", "HEADER_x_three": "3", "HEADER_HOST": "h:1", "HEADER_URL": "U", "HEADER_METHOD": "M",
		"HTTP_X_THREE": "error 1413", "HEADER_X_One": "error 1413", "HTTP_X_FOUR": "error 1413", "HEADER_X-Four": "error 1413",
		"ACCEPT": "error 1413", "HTTP_": "error 1413", "HEADER_": "error 1413", "HTTP": "error 1413", "_": "error 1413",
		"HTTP_METHOD": "GET", "HTTP_URL": "/app.dll?value=HTTP_URL", "HTTP_VERSION": "HTTP/1.1", // the request line, not headers
		"https": "off", "Script_Name": "/app.dll", "all_raw": header + "Connection: close\r\n",
	} {
		got := split(t, srv.raw("GET /app.dll?value="+name+" HTTP/1.1\r\n"+header+"Connection: close\r\n\r\n"), "GET").body
		if name == "all_raw" {
			want = strings.NewReplacer("\t a  b \t ", "a  b", "X-Empty:", "X-Empty: ").Replace(want)
		}
		if got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := split(t, srv.raw("GET /app.dll?value=HTTP_HOST HTTP/1.0\r\n\r\n"), "GET").body; got != "error 1413" {
		t.Errorf("HTTP_HOST of a request without is %q, want error 1413", got)
	}
}

// testAllHeaders: the lines in the order in which they came, in ALL_RAW in their own case.
func testAllHeaders(t *testing.T, srv *server) {
	const header = "zeta: 1\r\nHOST: h\r\nX_y:2\r\nAlpha:  3 \r\nzeta: 4\r\nConnection: close\r\n"
	for _, c := range []struct{ name, version, header, want string }{
		{"ALL_RAW", "HTTP/1.1", header, "zeta: 1\r\nHOST: h\r\nX_y: 2\r\nAlpha: 3\r\nzeta: 4\r\nConnection: close\r\n"},
		{"ALL_RAW", "HTTP/1.0", header, "zeta: 1\r\nHOST: h\r\nX_y: 2\r\nAlpha: 3\r\nzeta: 4\r\nConnection: close\r\n"},
		{"ALL_HTTP", "HTTP/1.1", header, "HTTP_ZETA:1\nHTTP_HOST:h\nHTTP_X_Y:2\nHTTP_ALPHA:3\nHTTP_ZETA:4\nHTTP_CONNECTION:close\n"},
		{"ALL_RAW", "HTTP/1.0", "", ""},
		{"ALL_HTTP", "HTTP/1.0", "", ""},
		// Folded lines are put together and all are sorted: the text as it came would not be one line a header.
		{"ALL_RAW", "HTTP/1.1", "B: 1\r\n 2\r\nA: 3\r\nHost: h\r\nConnection: close\r\n", "Host: h\r\nA: 3\r\nB: 1 2\r\nConnection: close\r\n"},
	} {
		if got := split(t, srv.raw("GET /app.dll?value="+c.name+" "+c.version+"\r\n"+c.header+"\r\n"), "GET").body; got != c.want {
			t.Errorf("%s of %s %q is\n%q, want\n%q", c.name, c.version, c.header, got, c.want)
		}
	}
	// Of requests that were sent at a time only the first is known as it came.
	two := "POST /app.dll?value=CONTENT_LENGTH HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx" +
		"GET /app.dll?value=ALL_RAW HTTP/1.1\r\nb: 1\r\nHost: h\r\nA: 2\r\nConnection: close\r\n\r\n"
	if got, want := srv.raw(two), "\r\n\r\nHost: h\r\nA: 2\r\nB: 1\r\nConnection: close\r\n"; !strings.HasSuffix(got, want) {
		t.Errorf("the second of two requests: %q, want %q", got, want)
	}
}

// testVariableSize: the protocol of the size. PATH_INFO is "/info" here, six bytes with its NUL.
func testVariableSize(t *testing.T, srv *server) {
	for query, want := range map[string]string{
		"room=6&of=PATH_INFO":                       "0 size=6 last=0 text=/info touched=6",
		"room=4096&of=PATH_INFO":                    "0 size=6 last=0 text=/info touched=6",
		"room=4096&of=path_Info":                    "0 size=6 last=0 text=/info touched=6",
		"room=5&of=PATH_INFO":                       "122 size=6 last=122 text= touched=0",
		"room=1&of=PATH_INFO":                       "122 size=6 last=122 text= touched=0",
		"room=0&of=PATH_INFO":                       "122 size=6 last=122 text= touched=0",
		"null=0&of=PATH_INFO":                       "122 size=6 last=122 text= touched=0",
		"null=100&of=PATH_INFO":                     "122 size=6 last=122 text= touched=0",
		"room=1&of=AUTH_USER":                       "0 size=1 last=0 text= touched=1",
		"room=0&of=AUTH_USER":                       "122 size=1 last=122 text= touched=0",
		"room=12&of=UNICODE_PATH_INFO":              "0 size=12 last=0 text=/ touched=12",
		"room=11&of=UNICODE_PATH_INFO":              "122 size=12 last=122 text= touched=0",
		"null=0&of=UNICODE_PATH_INFO":               "122 size=12 last=122 text= touched=0",
		"room=4096&of=HTTP_X_ABSENT":                "1413 size=4096 last=1413 text= touched=0",
		"room=0&of=HTTP_X_ABSENT":                   "1413 size=0 last=1413 text= touched=0",
		"room=4096&of=PATH_INFO&last=4711":          "0 size=6 last=4711 text=/info touched=6", // a success leaves the last error alone
		"room=4096&of=PATH_INFO&last=1413":          "0 size=6 last=1413 text=/info touched=6",
		"room=4096&of=AUTH_USER&last=122":           "0 size=1 last=0 text= touched=1", // but for 122, for which real modules look after an empty text
		"room=4096&of=UNICODE_PATH_INFO&last=122":   "0 size=12 last=0 text=/ touched=12",
		"room=4096&of=UNICODE_HTTP_HOST&last=122":   "1413 size=4096 last=1413 text= touched=0",
		"room=4096&of=UNICODE_HEADER_Host&last=0":   "1413 size=4096 last=1413 text= touched=0",
		"room=4096&of=UNICODE_NONE&last=0":          "1413 size=4096 last=1413 text= touched=0",
		"room=4096&of=UNICODE_UNICODE_URL&last=0":   "1413 size=4096 last=1413 text= touched=0",
		"room=4096&of=URL%20&last=0":                "1413 size=4096 last=1413 text= touched=0",
		"room=4096&of=" + strings.Repeat("A", 3000): "1413 size=4096 last=1413 text= touched=0",
	} {
		if got := srv.do("GET", "/app.dll/info?"+query, nil).Body; got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// testWideVariables: UNICODE_ is UTF-16, of what is UTF-8.
func testWideVariables(t *testing.T, srv *server) {
	for _, c := range []struct{ path, name, want string }{
		{"/a%20b", "PATH_INFO", `/a b\u0000`},
		{"/%c3%a4", "PATH_INFO", `/\u00e4\u0000`},
		{"/%f0%9f%98%80", "path_info", `/\ud83d\ude00\u0000`},
		{"/%e4", "PATH_INFO", map[bool]string{false: `/\ufffd\u0000`, true: `/\u00e4\u0000`}[srv.images.windows()]}, // no UTF-8
		{"", "AUTH_USER", `\u0000`},
		{"", "HTTP_VERSION", `HTTP/1.1\u0000`},
		{"/x", "CACHE_URL", "http://" + srv.addr + `/app.dll/x\u0000`},
		{"", "HTTP_HOST", "error 1413"},
	} {
		if got := srv.do("GET", "/app.dll"+c.path+"?wide="+c.name, nil).Body; got != c.want {
			t.Errorf("UNICODE_%s of %s: %q, want %q", c.name, c.path, got, c.want)
		}
	}
}

func testVariableHostile(t *testing.T, srv *server) {
	const want = "no conn 87\nconn beside 87\nconn of the stack 87\nconn nowhere 87\nno name 87\nname nowhere 87\nno size 87\nsize nowhere 87\n" +
		"buffer nowhere 87\nbuffer not writable 87\nempty name 1413\nthe block as conn 0\n"
	if got := srv.get("hostile").Body; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	long := strings.Repeat("v", 60_000)
	if got := srv.do("GET", "/app.dll?value=HTTP_X_LONG", nil, "X-Long", long).Body; got != long {
		t.Errorf("a value of %d bytes became one of %d", len(long), len(got))
	}
}

// testVariableTime: from any thread until the request is done, and not after; a child request changes nothing.
func testVariableTime(t *testing.T, srv *server) {
	for i := range 3 {
		want := fmt.Sprint("value ", i)
		if got := srv.do("GET", "/app.dll?thread=HTTP_X_TEST", nil, "X-Test", want).Body; got != want {
			t.Errorf("on a thread of the extension's: %q, want %q", got, want)
		}
		// The client may have its answer before the request is done.
		testwait.Until(t, "87 after the request", func() bool { return srv.get("gone").Body == "87" })
	}
	for name, want := range map[string]string{
		"QUERY_STRING": "child=QUERY_STRING", "REQUEST_METHOD": "GET", "HTTP_X_TEST": "of the parent", "HTTP_HOST": "h", "URL": "/app.dll",
		"HTTP_URL": "/app.dll?child=HTTP_URL", "SERVER_NAME": "h", "ALL_RAW": "x-test: of the parent\r\nHost: h\r\nConnection: close\r\n",
	} {
		got := split(t, srv.raw("GET /app.dll?child="+name+" HTTP/1.1\r\nx-test: of the parent\r\nHost: h\r\nConnection: close\r\n\r\n"), "GET").body
		if end := "\n0\n" + want + "\n" + want; !strings.HasSuffix(got, end) || !strings.HasPrefix(got, "child PUT /child?other ") || !strings.Contains(got, `x="of the child"`) {
			t.Errorf("%s after a child request: %q, want %q at the end", name, got, end)
		}
	}
}
