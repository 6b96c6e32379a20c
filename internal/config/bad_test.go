package config

import (
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const oneSite = "sites:\n  - name: a\n    root: wwwroot\n" // what follows belongs to the site: four spaces

// badFile is a bad file and all that is said about it, without the name of its folder.
type badFile struct {
	name, text string
	want       []string
}

var badFiles = []badFile{
	{"unknown key", "site: []\n", []string{`isapid.yaml:1:1: unknown key "site" in the configuration; did you mean "sites"?`}},
	{"unknown key in pool", "pools:\n  p:\n    treads: 1\n", []string{`isapid.yaml:3:5: unknown key "treads" in pool; did you mean "threads"?`}},
	{"unknown key, nothing near", "xyzzyplugh: 1\n", []string{`isapid.yaml:1:1: unknown key "xyzzyplugh" in the configuration; known keys: control, crashes, filters, images, limits, log, metrics, pools, sites, tracing, wine`}},
	{"not a mapping", "- a\n", []string{`isapid.yaml:1:1: the configuration must be a mapping, not a list; write it as lines of "key: value"`}},
	{"scalar", "hello\n", []string{`isapid.yaml:1:1: the configuration must be a mapping, not "hello"; write it as lines of "key: value"`}},
	{"syntax", "sites: [\n", []string{`isapid.yaml:1:8: not valid YAML: sequence end token ']' not found`}},
	{"syntax tab", "sites:\n\t- a\n", []string{`isapid.yaml:2:1: not valid YAML: found character '	' that cannot start any token`}},
	{"two documents", "log: {level: info}\n---\nlog: {level: info}\n", []string{`isapid.yaml:3:1: a second document; keep everything in one document: remove the "---"`}},
	{"key twice", "log:\n  level: info\n  level: warn\n", []string{`isapid.yaml:3:3: key "level" appears twice in log; the first one is on line 2`}},
	{"anchor", "log: &a {level: info}\n", []string{`isapid.yaml:1:6: log must be a mapping, not an anchor or alias, which are not supported; write it as lines of "key: value"`}},
	{"alias", "log:\n  level: *a\n", []string{`isapid.yaml:2:10: "level" must be a word, not an anchor or alias, which are not supported; allowed: debug, info, warn, error`}},
	{"star without quotes", oneSite + "    applications: [{path: /, handlers: [{path: *.dll, isapi: true}]}]\n", []string{`isapid.yaml:4:48: "path" must be text, not an anchor or alias, which are not supported; put text that begins with "*" in quotes`}},
	{"star alone", oneSite + "    applications:\n      - path: /\n        handlers:\n          - path: *\n            static: true\n", []string{`isapid.yaml:7:19: not valid YAML: mapping value is not allowed in this context; put text that begins with "*" in quotes`}},
	{"flow not closed", "log: {level: info\n", []string{`isapid.yaml:1:6: not valid YAML: could not find flow mapping end token '}'`}},
	{"merge", "log:\n  <<: {level: info}\n", []string{`isapid.yaml:2:3: a key in log must be plain text, not an anchor or alias, which are not supported`}},
	{"tag", "log:\n  level: !!str info\n", []string{`isapid.yaml:2:10: "level" must be a word, not a tag, which is not supported; allowed: debug, info, warn, error`}},
	{"list wanted", "sites: {name: a}\n", []string{`isapid.yaml:1:8: "sites" must be a list of sites, not a mapping; write each item on a line of its own after "- "`}},
	{"mapping wanted", "pools: 3\n", []string{`isapid.yaml:1:8: pools must be a mapping, not "3"; write it as lines of "key: value"`}},
	{"text wanted", "sites:\n  - name: 12\n    root: wwwroot\n", []string{`isapid.yaml:2:11: "name" must be text, not 12; put it in quotes: "12"`}},
	{"text is a list", "sites:\n  - name: [a]\n    root: wwwroot\n", []string{`isapid.yaml:2:11: "name" must be text, not a list`}},
	{"empty text", "sites:\n  - name: ''\n    root: wwwroot\n", []string{`isapid.yaml:2:11: "name" is empty or holds a NUL; write a value or remove the key`}},
	{"number wanted", "pools: {p: {threads: many}}\n", []string{`isapid.yaml:1:22: "threads" must be a whole number, not "many"; allowed: 1 to 4096`}},
	{"number too small", "pools: {p: {threads: 0}}\n", []string{`isapid.yaml:1:22: "threads" is 0; allowed: 1 to 4096`}},
	{"number too big", "limits: {url: 99999999999999999999}\n", []string{`isapid.yaml:1:15: "url" must be a whole number, not "99999999999999999999"; allowed: 16 to 65536`}},
	{"float", "pools: {p: {queue: 1.5}}\n", []string{`isapid.yaml:1:20: "queue" must be a whole number, not "1.5"; allowed: 1 to 1000000`}},
	{"flag wanted", oneSite + "    static: yes\n", []string{`isapid.yaml:4:13: "static" must be a switch, not "yes"; write true or false`}},
	{"time without unit", "pools: {p: {queue_wait: 30}}\n", []string{`isapid.yaml:1:25: "queue_wait" must be a time with its unit, not "30"; write it like 20ms, 30s, 2m or 29h`}},
	{"time too long", "limits: {idle_timeout: 25h}\n", []string{`isapid.yaml:1:24: "idle_timeout" is 25h; allowed: 0 to 24h`}},
	{"negative time", "limits: {idle_timeout: -1s}\n", []string{`isapid.yaml:1:24: "idle_timeout" is -1s; allowed: 0 to 24h`}},
	{"size", "limits: {body: 30M}\n", []string{`isapid.yaml:1:16: "body" must be a size, not "30M"; write it like 30000000, 30MB, 8MiB or 48KiB`}},
	{"size too small", "limits: {header: 1KB}\n", []string{`isapid.yaml:1:18: "header" is 1KB; allowed: 1KiB to 1MiB`}},
	{"size too big", "pools: {p: {stack: 2GiB}}\n", []string{`isapid.yaml:1:20: "stack" is 2GiB; allowed: 64KiB to 1GiB`}},
	{"size overflow", "limits: {body: 999999999999999GiB}\n", []string{`isapid.yaml:1:16: "body" is 999999999999999GiB; allowed: 0 to 1048576GiB`}},
	{"level", "log: {level: loud}\n", []string{`isapid.yaml:1:14: "level" is "loud"; allowed: debug, info, warn, error`}},
	{"mode", "pools: {p: {mode: inprocess}}\n", []string{`isapid.yaml:1:19: "mode" is "inprocess"; allowed: isolated, in-process`}},
	{"filters", oneSite + "    filters: a.so\n", []string{`isapid.yaml:4:14: "filters" must be a list of files, not "a.so"; write each item on a line of its own after "- "`}},
	{"filter missing", oneSite + "    applications: [{path: /, filters: [b.so]}]\n", []string{`isapid.yaml:4:40: filter "b.so" cannot be used: no such file or directory; create the file or correct the path`}},
	{"filter is a folder", oneSite + "    filters: [other]\n", []string{`isapid.yaml:4:15: filter "other" is not a file`}},
	{"filter of nothing", "filters: ['']\n", []string{`isapid.yaml:1:11: "filters" is empty or holds a NUL; write a value or remove the key`}},
	{"filter twice", "filters: [a.so, ./a.so]\n", []string{`isapid.yaml:1:17: filter "a.so" appears twice; remove one: a filter sees each event once`}},
	{"filter of all sites and a site", oneSite + "    filters: [a.so]\nfilters: [a.so]\n", []string{`isapid.yaml:4:15: filter "a.so" is already one of all sites; remove it here: it runs anyway`}},
	{"filter of a site and an application", oneSite + "    filters: [a.so]\n    applications: [{path: /, filters: [a.so]}]\n", []string{`isapid.yaml:5:40: filter "a.so" is already one of the whole site; remove it here: it runs anyway`}},
	{"filters of a pool that isolates", oneSite + "    applications: [{path: /, pool: p, filters: [a.so]}]\npools: {p: {mode: in-process, on_fault: isolate}}\n", []string{
		`isapid.yaml:4:36: application "/" has filters, and its pool "p" has "on_fault: isolate"; filters cannot move to workers with their requests: write "mode: isolated" in the pool, or another "on_fault"`,
	}},
	{"filters of all sites in a pool that isolates", "filters: [a.so]\n" + oneSite + "pools: {default: {mode: in-process, on_fault: isolate}}\n", []string{
		`isapid.yaml:1:11: application "/" has filters, and its pool "default" has "on_fault: isolate"; filters cannot move to workers with their requests: write "mode: isolated" in the pool, or another "on_fault"`,
	}},
	{"nobody comes in", oneSite + "    applications: [{path: /, authentication: {anonymous: false}}]\n", []string{`isapid.yaml:4:58: nobody may come in: "anonymous" is false, and there is no other way; add a line like "basic: {realm: shop, users: ./shop.users}"`}},
	{"authentication key", oneSite + "    applications: [{path: /, authentication: {baisc: {}}}]\n", []string{`isapid.yaml:4:47: unknown key "baisc" in authentication; did you mean "basic"?`}},
	{"basic without anything", oneSite + "    applications: [{path: /, authentication: {basic: {}}}]\n", []string{
		`isapid.yaml:4:54: "basic" has no realm; add a line like "realm: shop": clients show it when they ask for the password`,
		`isapid.yaml:4:54: "basic" has no users, and there is no filter to say who may come in; add a line like "users: ./shop.users"; "isapid passwd" makes such a file`,
	}},
	{"password file missing", oneSite + "    applications: [{path: /, authentication: {basic: {realm: a, users: b}}}]\n", []string{`isapid.yaml:4:72: password file "b" cannot be used: no such file or directory; create the file or correct the path`}},
	{"password file is a folder", oneSite + "    applications: [{path: /, authentication: {basic: {realm: a, users: other}}}]\n", []string{`isapid.yaml:4:72: password file "other" is not a file`}},
	{"realm", oneSite + "    applications: [{path: /, authentication: {basic: {realm: 'a\"b', users: a.so}}}]\n", []string{`isapid.yaml:4:62: "realm" holds a character that cannot stand there; use letters, digits and signs of ASCII, without quotes and backslashes`}},
	{"on_fault", "pools: {p: {on_fault: die}}\n", []string{`isapid.yaml:1:23: "on_fault" is "die"; allowed: keep, refuse, isolate`}},
	{"no name, no root", "sites:\n  - static: true\n", []string{
		`isapid.yaml:2:5: a site has no name; add a line like "name: shop"`,
		`isapid.yaml:2:5: a site has no root; add a line like "root: ./wwwroot"`,
	}},
	{"empty site", "sites:\n  -\n", []string{
		`isapid.yaml:2:5: a site has no name; add a line like "name: shop"`,
		`isapid.yaml:2:5: a site has no root; add a line like "root: ./wwwroot"`,
	}},
	{"root missing", "sites:\n  - name: a\n    root: nowhere\n", []string{`isapid.yaml:3:11: root "nowhere" cannot be used: no such file or directory; create the directory or correct the path`}},
	{"root a file", "sites:\n  - name: a\n    root: a.so\n", []string{`isapid.yaml:3:11: root "a.so" is not a directory; name the folder, not a file in it`}},
	{"name twice", oneSite + "  - name: a\n    root: other\n", []string{`isapid.yaml:4:11: site name "a" is taken by an earlier site; give each site its own name`}},
	{"id twice", oneSite + "    id: 2\n  - name: b\n    root: other\n", []string{`isapid.yaml:5:5: site id 2 is taken by site "a"; give this site another "id"`}},
	{"binding scheme", oneSite + "    bindings: ['ftp://:21']\n", []string{`isapid.yaml:4:16: binding "ftp://:21" does not begin with http:// or https://; write it like "http://:8080" or "https://shop.example:443"`}},
	{"binding path", oneSite + "    bindings: ['http://:80/x']\n", []string{`isapid.yaml:4:16: binding "http://:80/x" has more than a scheme, a host and a port; write it like "http://:8080" or "https://shop.example:443"`}},
	{"binding port", oneSite + "    bindings: ['http://:65536']\n", []string{`isapid.yaml:4:16: binding "http://:65536" has a port that is not 0 to 65535; write it like "http://:8080" or "https://shop.example:443"`}},
	{"binding host", oneSite + "    bindings: ['http://a_-.b']\n", []string{`isapid.yaml:4:16: binding "http://a_-.b" has a host that is neither an IP address nor a name; write it like "http://:8080" or "https://shop.example:443"`}},
	{"binding star", oneSite + "    bindings: ['http://a.*.b']\n", []string{`isapid.yaml:4:16: binding "http://a.*.b" has a host that is neither an IP address nor a name; write it like "http://:8080" or "https://shop.example:443"`}},
	{"connection limit of a site", oneSite + "    limits:\n      url: 100\n      idle_timeout: 3s\n", []string{`isapid.yaml:6:21: "idle_timeout" cannot differ between sites: it holds for a connection; set it in the "limits" at the top level`}},
	{"binding twice", oneSite + "    bindings: ['http://:80', 'http://*:80']\n", []string{`isapid.yaml:4:30: binding "http://:80" is taken by site "a"; give one of them another port or host name`}},
	{"binding of two sites", oneSite + "    bindings: ['http://x.example']\n  - name: b\n    root: other\n    bindings:\n      - http://X.example:80\n", []string{`isapid.yaml:8:9: binding "http://x.example:80" is taken by site "a"; give one of them another port or host name`}},
	{"http and https", oneSite + "    bindings: ['http://:80', 'https://x.example:80']\n    certificate: cert.pem\n    key: key.pem\n", []string{`isapid.yaml:4:30: binding "https://x.example:80" and binding "http://:80" of site "a" want http and https on one address; give https a port of its own`}},
	{"everywhere and somewhere", oneSite + "    bindings: ['http://:80', 'http://127.0.0.1:80']\n", []string{`isapid.yaml:4:30: binding "http://127.0.0.1:80" and binding "http://:80" of site "a" share a port; listen on every address once, and tell sites apart by host name`}},
	{"no certificate", oneSite + "    bindings: ['https://:443']\n", []string{`isapid.yaml:4:16: binding "https://:443" needs a certificate; add "certificate:" and "key:" to the site`}},
	{"no key", oneSite + "    certificate: cert.pem\n", []string{`isapid.yaml:4:18: a certificate without its key; add "key:"`}},
	{"no certificate for key", oneSite + "    key: key.pem\n", []string{`isapid.yaml:4:10: a key without its certificate; add "certificate:"`}},
	{"client certificates in clear text", oneSite + "    bindings: ['http://:80']\n    client_certificates: require\n", []string{`isapid.yaml:5:26: client certificates without a binding for them; add one like "https://:443" to "bindings"`}},
	{"client certificates of what kind", oneSite + "    client_certificates: yes\n", []string{`isapid.yaml:4:26: "client_certificates" is "yes"; allowed: none, request, require`}},
	{"nobody asks for client certificates", oneSite + "    client_ca: cert.pem\n", []string{`isapid.yaml:4:16: nobody asks for the client certificates it is for; add "client_certificates: request" or "require"`}},
	{"client_ca missing", oneSite + "    bindings: ['https://:443']\n    certificate: cert.pem\n    key: key.pem\n    client_certificates: require\n    client_ca: c.pem\n", []string{
		`isapid.yaml:8:16: client_ca "c.pem" cannot be used: no such file or directory; create the file or correct the path`}},
	{"certificate missing", oneSite + "    certificate: c.pem\n    key: wwwroot\n", []string{
		`isapid.yaml:4:18: certificate "c.pem" cannot be used: no such file or directory; create the file or correct the path`,
		`isapid.yaml:5:10: key "wwwroot" is not a file`,
	}},
	{"document", oneSite + "    default_documents: [a/b.html]\n", []string{`isapid.yaml:4:25: default document "a/b.html" is not a plain file name; leave the folder out: every folder has its own`}},
	{"mime", oneSite + "    mime: {log: text/plain, .x: text}\n", []string{
		`isapid.yaml:4:12: "log" is not a file extension; write it like ".xyz"`,
		`isapid.yaml:4:33: "text" is not a MIME type; write it like "text/plain" or "text/html; charset=utf-8"`,
	}},
	{"error page status", oneSite + "    error_pages: {200: 404.html}\n", []string{`isapid.yaml:4:19: "200" is not a status of 400 to 599; write it like "404" or "404.3"`}},
	{"error page file", oneSite + "    error_pages: {404: 405.html}\n", []string{`isapid.yaml:4:24: error page "405.html" cannot be used: no such file or directory; create the file or correct the path`}},
	{"error page url", oneSite + "    error_pages: {404: {path: 'http://x/', mode: url}}\n", []string{`isapid.yaml:4:31: error page "http://x/" is not a URL for mode "url"; write it like "/errors/404.html"`}},
	{"error page redirect", oneSite + "    error_pages: {404: {path: '//x', mode: redirect}}\n", []string{`isapid.yaml:4:31: error page "//x" is not a URL for mode "redirect"; write it like "/errors/404.html"`}},
	{"error page mode", oneSite + "    error_pages: {404: {path: /x, mode: text}}\n", []string{`isapid.yaml:4:41: "mode" is "text"; allowed: file, url, redirect`}},
	{"error page without path", oneSite + "    error_pages: {404: {mode: url}}\n", []string{`isapid.yaml:4:24: the error page has no path; add a line like "path: ./404.html"`}},
	{"virtual directory", oneSite + "    virtual_directories: [{path: img}, {path: /, directory: other}]\n", []string{
		`isapid.yaml:4:27: a virtual directory has no directory; add a line like "directory: ./images"`,
		`isapid.yaml:4:34: "path" is "img", which does not begin with a slash; write it like "/shop"`,
		`isapid.yaml:4:47: a virtual directory cannot be "/"; set the site's "root"`,
	}},
	{"application path", oneSite + "    applications:\n      - path: shop\n      - pool: default\n", []string{
		`isapid.yaml:5:15: "path" is "shop", which does not begin with a slash; write it like "/shop"`,
		`isapid.yaml:6:9: an application has no path; add a line like "path: /shop"`,
	}},
	{"application path end", oneSite + "    applications: [{path: /a/}, {path: /a/../b}, {path: '/a%20b'}]\n", []string{
		`isapid.yaml:4:27: "path" is "/a/", which ends with a slash; write it like "/shop"`,
		`isapid.yaml:4:40: "path" is "/a/../b", which has a segment ".." that no URL can reach; write it like "/shop"`,
		`isapid.yaml:4:57: "path" is "/a%20b", which holds a character that has no place in a path; write it like "/shop"`,
	}},
	{"application twice", oneSite + "    applications: [{path: /a}, {path: /a}]\n", []string{`isapid.yaml:4:39: application path "/a" appears twice in site "a"; put all its handlers into one application`}},
	{"application and directory", oneSite + "    applications: [{path: /a, directory: other}]\n    virtual_directories: [{path: /a, directory: other}]\n", []string{`isapid.yaml:5:34: path "/a" already has a directory in site "a"; each path can have one`}},
	{"directory of root", oneSite + "    applications: [{path: /, directory: other}]\n", []string{`isapid.yaml:4:41: the application "/" has the site's root as its directory; set "root" of the site instead`}},
	{"pool near", oneSite + "    applications: [{path: /, pool: fsat}]\npools: {fast: {}}\n", []string{`isapid.yaml:4:36: pool "fsat" is not defined; did you mean "fast"?`}},
	{"pool far", oneSite + "    applications: [{path: /, pool: legacy}]\npools: {z: {}}\n", []string{`isapid.yaml:4:36: pool "legacy" is not defined; pools: default, z`}},
	{"handler of nothing", oneSite + "    applications: [{path: /, handlers: [{path: '*'}]}]\n", []string{`isapid.yaml:4:41: handler "*" needs exactly one of isapi, extension and static; for example "isapi: true"`}},
	{"handler of two things", oneSite + "    applications: [{path: /, handlers: [{path: '*.x', isapi: true, static: true}]}]\n", []string{`isapid.yaml:4:41: handler "*.x" needs exactly one of isapi, extension and static; for example "isapi: true"`}},
	{"handler without path", oneSite + "    applications: [{path: /, handlers: [{static: true}]}]\n", []string{`isapid.yaml:4:41: a handler has no path; add a line like "path: '*.dll'"`}},
	{"handler pattern", oneSite + "    applications: [{path: /, handlers: [{path: 'a*', static: true}, {path: '/*', static: true}]}]\n", []string{
		`isapid.yaml:4:48: handler path "a*" is not a pattern; write it like "*.dll", "/orders/*" or "*"`,
		`isapid.yaml:4:76: handler path "/*" is not a pattern; write "*" for everything`,
	}},
	{"isapi for everything", oneSite + "    applications: [{path: /, handlers: [{path: '*', isapi: true}]}]\n", []string{`isapid.yaml:4:60: isapi: true cannot go with path "*"; use a path like "*.dll", or name the image with "extension:"`}},
	{"must_exist", oneSite + "    applications: [{path: /, handlers: [{path: '*.x', isapi: true, must_exist: true}]}]\n", []string{`isapid.yaml:4:80: "must_exist" is only for handlers with "extension"; remove the key: the others look for their file anyway`}},
	{"path_info", oneSite + "    applications: [{path: /, handlers: [{path: '*', extension: a.so, path_info: true}]}]\n", []string{`isapid.yaml:4:81: "path_info" is only for script maps; a script map has a path like "*.asp" and an "extension"`}},
	{"extension missing", oneSite + "    applications: [{path: /, handlers: [{path: '*', extension: b.so}]}]\n", []string{`isapid.yaml:4:64: extension "b.so" cannot be used: no such file or directory; create the file or correct the path`}},
	{"method", oneSite + "    applications: [{path: /, handlers: [{path: '*', extension: a.so, methods: [get]}]}]\n", []string{`isapid.yaml:4:80: "get" is not a method; write it in capitals, like GET`}},
	{"all at once", "sites:\n  - nam: a\n    root: wwwroot\nlimits:\n  body: x\npools:\n  p: {threads: 0, flush: 1}\n", []string{
		`isapid.yaml:2:5: unknown key "nam" in site; did you mean "name"?`,
		`isapid.yaml:2:5: a site has no name; add a line like "name: shop"`,
		`isapid.yaml:5:9: "body" must be a size, not "x"; write it like 30000000, 30MB, 8MiB or 48KiB`,
		`isapid.yaml:7:16: "threads" is 0; allowed: 1 to 4096`,
		`isapid.yaml:7:26: "flush" must be a time with its unit, not "1"; write it like 20ms, 30s, 2m or 29h`,
	}},
}

func TestBadFiles(t *testing.T) {
	dir := folder(t)
	for _, tt := range slices.Concat(badFiles, badPools, badLogs) {
		t.Run(tt.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && (strings.Contains(tt.text, "platform: wine") || strings.Contains(tt.text, "socket: ")) {
				t.Skip("there are no sockets, and there is no Wine") // each has an error of its own
			}
			file := filepath.Join(dir, "isapid.yaml")
			c, err := Parse(file, []byte(tt.text))
			if err == nil {
				t.Fatalf("no error for\n%sgot %+v", tt.text, c)
			}
			if c != nil {
				t.Errorf("a configuration beside the error")
			}
			var e *Error
			if !errors.As(err, &e) || e.File != file {
				t.Errorf("%#v is no *Error of %q", err, file)
			}
			got := portable(err.Error(), dir)
			if want := strings.Join(tt.want, "\n"); got != want {
				t.Errorf("of\n%s got %s\nwant %s", tt.text, got, want)
			}
		})
	}
}

// portable is a message without the folder, and with the words of Linux.
func portable(message, dir string) string {
	message = strings.ReplaceAll(message, dir+string(filepath.Separator), "")
	if runtime.GOOS != "windows" {
		return message
	}
	message = strings.ReplaceAll(message, strings.Trim(strconv.Quote(dir+`\`), `"`), "") // in quotes
	for _, e := range []syscall.Errno{syscall.ENOENT, syscall.ENOTDIR} {
		message = strings.ReplaceAll(message, e.Error(), "no such file or directory")
	}
	return message
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(Example))
	f.Add([]byte(everything))
	for _, tt := range slices.Concat(badFiles, badPools, badLogs) {
		f.Add([]byte(tt.text))
	}
	dir := folder(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(filepath.Join(dir, "isapid.yaml"), data)
		if (c == nil) == (err == nil) {
			t.Fatalf("got %+v, %v", c, err)
		}
		if err != nil {
			return
		}
		for _, s := range c.Sites {
			if s.Name == "" || !filepath.IsAbs(s.Root) || s.ID < 1 {
				t.Errorf("site %+v passed", s)
			}
			for _, a := range s.Applications {
				if a.Path == "" || a.Path[0] != '/' || c.Pools[a.Pool] == nil {
					t.Errorf("application %+v passed", a)
				}
			}
		}
		for _, p := range c.Pools {
			if why := impossible(p); why != "" {
				t.Errorf("pool %+v passed: %s", p, why)
			}
		}
		if s := c.Control.Socket; s != "" && !filepath.IsAbs(s) {
			t.Errorf("control socket %q passed", s)
		}
	})
}
