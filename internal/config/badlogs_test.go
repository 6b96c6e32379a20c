package config

// badLogs are bad files about what is written down and told of a server, as badFiles.
var badLogs = []badFile{
	{"log format", "log: {format: xml}\n", []string{`isapid.yaml:1:15: "format" is "xml"; allowed: auto, text, json, journal`}},
	{"journal in a file", "log: {format: journal, file: a.log}\n", []string{`isapid.yaml:1:15: the format "journal" is only for the standard error; remove "file", or write another "format"`}},
	{"levels", "log: {levels: {pol: debug, pool: loud, worker: 3}}\n", []string{
		`isapid.yaml:1:16: there is no subsystem "pol"; did you mean "pool"?`,
		`isapid.yaml:1:34: "pool" is "loud"; allowed: debug, info, warn, error`,
		`isapid.yaml:1:48: "worker" is "3"; allowed: debug, info, warn, error`,
	}},
	{"levels far", "log: {levels: {networking: debug}}\n", []string{`isapid.yaml:1:16: there is no subsystem "networking"; subsystems: access, control, extension, http, pool, server, swap, tracing, wine, worker`}},
	{"levels are a word", "log: {levels: debug}\n", []string{`isapid.yaml:1:15: levels must be a mapping, not "debug"; write it as lines of "key: value"`}},
	{"two access logs", "log: {access: {file: a.log}, access_file: b.log}\n", []string{`isapid.yaml:1:43: "access_file" and "access" are two access logs; "access_file: NAME" is short for "access: {format: json, file: NAME}": keep one of them`}},
	{"access log is a name", "log: {access: a.log}\n", []string{
		`isapid.yaml:1:15: access must be a mapping, not "a.log"; write it as lines of "key: value"`,
		`isapid.yaml:1:15: the access log has no place; add a line like "directory: /var/log/isapid" or "file: ./access.log"`,
	}},
	{"access log nowhere", "log: {access: {format: w3c}}\n", []string{`isapid.yaml:1:15: the access log has no place; add a line like "directory: /var/log/isapid" or "file: ./access.log"`}},
	{"access log in two places", "log: {access: {file: a.log, directory: other}}\n", []string{`isapid.yaml:1:40: an access log has either a "file" or a "directory"; remove one: in a directory each site has files of its own`}},
	{"access format", "log: {access: {file: a.log, format: ncsa}}\n", []string{`isapid.yaml:1:37: "format" is "ncsa"; allowed: w3c, json`}},
	{"access fields", "log: {access: {file: a.log, fields: [date, tiem, cs(), 'cs(a b)', cs-uri-stem, Date, date, cs-agent]}}\n", []string{
		`isapid.yaml:1:44: there is no field "tiem"; did you mean "time"?`,
		`isapid.yaml:1:50: there is no field "cs()"; write it like "cs(User-Agent)"`,
		`isapid.yaml:1:56: there is no field "cs(a b)"; write it like "cs(User-Agent)"`,
		`isapid.yaml:1:80: there is no field "Date"; did you mean "date"?`,
		`isapid.yaml:1:86: the field "date" appears twice; remove one`,
		`isapid.yaml:1:92: there is no field "cs-agent"; fields: c-ip, cs(Cookie), cs(HEADER), cs(Referer), cs(User-Agent), cs-bytes, cs-host, cs-method, cs-uri-query, cs-uri-stem, cs-username, cs-version, date, s-computername, s-ip, s-port, s-sitename, sc(HEADER), sc-bytes, sc-status, sc-substatus, sc-win32-status, time, time-taken`,
	}},
	{"no access fields", "log: {access: {file: a.log, fields: []}}\n", []string{`isapid.yaml:1:37: "fields" is empty; name at least one field, or remove the key`}},
	{"keys of the other format", "log: {access: {file: a.log, format: json, fields: [date], software: x}}\n", []string{
		`isapid.yaml:1:51: "fields" is only for the format "w3c"; write "format: w3c", or remove the key`,
		`isapid.yaml:1:69: "software" is only for the format "w3c"; write "format: w3c", or remove the key`,
	}},
	{"software", "log: {access: {file: a.log, software: \"a\\nb\"}}\n", []string{`isapid.yaml:1:39: "software" has more than one line, or a control character; write it like "Microsoft Internet Information Services 10.0"`}},
	{"rotate", "log: {access: {file: a.log, rotate: {every: year, size: 1KiB, at: 3}}}\n", []string{
		`isapid.yaml:1:45: "every" is "year"; allowed: never, hour, day, week, month`,
		`isapid.yaml:1:57: "size" is 1KiB; allowed: 1MiB to 1024GiB`,
		`isapid.yaml:1:63: unknown key "at" in rotate; known keys: every, size`,
	}},
	{"keep", "log: {access: {directory: other, keep: -1}}\n", []string{`isapid.yaml:1:40: "keep" is -1; allowed: 0 to 100000`}},
	{"keep nothing", "log: {access: {file: a.log, keep: 3}}\n", []string{`isapid.yaml:1:35: "keep" means nothing when no other file is ever begun; add a line like "rotate: {every: day}", or remove the key`}},
	{"access log of a site", oneSite + "    log: {access: off, level: info}\n", []string{
		`isapid.yaml:4:19: "access" must be a switch, not "off"; write true or false`,
		`isapid.yaml:4:24: unknown key "level" in log; known keys: access`,
	}},

	{"checks", "pools: {p: {checks: true}}\n", []string{`isapid.yaml:1:21: "checks" is "true"; allowed: off, sampled, on`}},
	{"crashes", "crashes: {directory: '', keep: 10001, kep: 1}\n", []string{
		`isapid.yaml:1:22: "directory" is empty or holds a NUL; write a value or remove the key`,
		`isapid.yaml:1:32: "keep" is 10001; allowed: 0 to 10000`,
		`isapid.yaml:1:39: unknown key "kep" in crashes; did you mean "keep"?`,
	}},

	{"status group alone", "control: {status_group: '12'}\n", []string{`isapid.yaml:1:25: "status_group" means nothing without a socket for it; add a line like "status_socket: /run/isapid/status.sock"`}},
	{"status group of nobody", "control: {status_socket: s, status_group: nobody-at-all}\n", []string{`isapid.yaml:1:43: group "nobody-at-all" is not known on this machine; create the group or correct the name`}},
	{"one socket for two", "control: {status_socket: s, socket: ./s}\n", []string{`isapid.yaml:1:26: "status_socket" is the same as "socket"; give it another name: who may look may not change`}},
	{"control address", "control: {listen: 9443}\n", []string{
		`isapid.yaml:1:19: "listen" must be text, not 9443; put it in quotes: "9443"`,
		`isapid.yaml:1:19: "listen" needs a certificate and its key; add "certificate:" and "key:": tokens never travel in clear text`,
		`isapid.yaml:1:19: "listen" needs tokens, or nobody can come in; add a line like "tokens: [{file: ./ops.token, role: control}]"`,
	}},
	{"control address of a name", "control: {listen: 'shop.example:9443', certificate: cert.pem, key: key.pem, tokens: [{file: a.so}]}\n", []string{
		`isapid.yaml:1:19: "listen" is "shop.example:9443", which is no address to listen on; write it like "127.0.0.1:9443" or ":9443"`}},
	{"control port", "control: {listen: ':65536', certificate: cert.pem, key: key.pem, tokens: [{file: a.so}]}\n", []string{
		`isapid.yaml:1:19: "listen" is ":65536", which is no address to listen on; write it like "127.0.0.1:9443" or ":9443"`}},
	{"control files missing", "control: {listen: ':0', certificate: c.pem, key: other, tokens: [{file: t}]}\n", []string{
		`isapid.yaml:1:38: certificate "c.pem" cannot be used: no such file or directory; create the file or correct the path`,
		`isapid.yaml:1:50: key "other" is not a file`,
		`isapid.yaml:1:73: token "t" cannot be used: no such file or directory; create the file or correct the path`,
	}},
	{"tokens for nothing", "control: {tokens: [{file: a.so}]}\n", []string{`isapid.yaml:1:19: certificate, key and tokens mean nothing without an address for them; add a line like "listen: 127.0.0.1:9443"`}},
	{"tokens", "control: {listen: ':1', certificate: cert.pem, key: key.pem, tokens: [{role: admin}, {file: a.so}, {file: 404.html, name: a.so}, {secret: x, file: key.pem}]}\n", []string{
		`isapid.yaml:1:71: a token has no file; add a line like "file: ./ops.token"`,
		`isapid.yaml:1:78: "role" is "admin"; allowed: read, control`,
		`isapid.yaml:1:100: the name "a.so" is taken by an earlier token; give each its own "name": the log has it`,
		`isapid.yaml:1:131: unknown key "secret" in token; known keys: file, name, role`,
	}},

	{"tracing", "tracing: {otlp: 'grpc://x', sample: 2, headers: {'a b': x, c: \"\\u00e4\"}, service: x}\n", []string{
		`isapid.yaml:1:17: "otlp" is "grpc://x", which is not the URL of a collector; write it like "http://127.0.0.1:4318"; credentials go into "headers"`,
		`isapid.yaml:1:37: "sample" must be a number from 0 to 1, not "2"; write it like 1, 0.25 or 0.001`,
		`isapid.yaml:1:50: "a b" is not the name of a header; write it like "Authorization"`,
		`isapid.yaml:1:63: the header "c" holds a character that cannot stand there; use letters, digits and signs of ASCII`,
		`isapid.yaml:1:74: unknown key "service" in tracing; known keys: headers, otlp, sample, service_name`,
	}},
	{"tracing to nowhere", "tracing: {sample: 0.5}\n", []string{`isapid.yaml:1:19: there is nowhere to send spans to; add a line like "otlp: http://127.0.0.1:4318"`}},
	{"histogram", "metrics: {histogram: [1ms, 1ms]}\n", []string{`isapid.yaml:1:28: "histogram" has 1ms after 1ms; write each bound longer than the one before`}},
	{"no histogram", "metrics: {histogram: []}\n", []string{`isapid.yaml:1:22: "histogram" has 0 bounds; allowed: 1 to 50`}},
	{"histogram of numbers", "metrics: {histogram: [0.1, 1us]}\n", []string{
		`isapid.yaml:1:23: "histogram" must be a time with its unit, not "0.1"; write it like 20ms, 30s, 2m or 29h`,
		`isapid.yaml:1:28: "histogram" is 1us; allowed: 10µs to 1h`,
	}},
}
