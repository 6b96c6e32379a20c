package accesslog

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// jsonLines writes an object a line. What there is nothing to tell of has no key.
type jsonLines struct{}

// line implements [format].
func (jsonLines) line(b []byte, e *Entry) []byte {
	b = jsonBegin(b, e.Ended, "INFO", "request")
	b = jsonText(b, "site", e.Site)
	b = jsonAddress(b, "client", e.Client, e.ClientPort)
	if e.Server.IsValid() {
		b = append(b, `,"server":"`...)
		b = append(e.Server.AppendTo(b), '"')
	}
	b = jsonText(b, "host", e.Host)
	b = jsonText(b, "method", e.Method)
	b = jsonText(b, "url", e.URL)
	b = jsonText(b, "proto", e.Proto)
	b = jsonTextIf(b, "user", e.User)
	if e.Extension {
		b = jsonMilliseconds(b, "extension_ms", e.Inside)
	}
	b = jsonNumberIf(b, "win32", int64(e.Win32))
	b = jsonTextIf(b, "log_data", e.LogData)
	b = jsonTextIf(b, "log_query", e.LogQuery)
	b = jsonTextIf(b, "fault", e.Fault)
	b = jsonNumber(b, "status", int64(e.Status))
	b = jsonNumber(b, "bytes", e.Body)
	b = jsonNumberIf(b, "sent", e.Sent)
	b = jsonNumberIf(b, "received", e.Received)
	b = jsonMilliseconds(b, "duration_ms", e.Took)
	b = jsonNumberIf(b, "substatus", int64(e.Substatus))
	if e.Broken {
		b = append(b, `,"broken":true`...)
	}
	b = jsonTextIf(b, "request", e.Request)
	b = jsonTextIf(b, "trace", e.Trace)
	return append(b, "}\n"...)
}

// head implements [format]: there is none.
func (jsonLines) head(b []byte, _ time.Time) []byte { return b }

// lost implements [format].
func (jsonLines) lost(b []byte, now time.Time, n uint64) []byte {
	b = jsonBegin(b, now, "WARN", "lines lost")
	b = jsonNumber(b, "lines", int64(n)) //nolint:gosec // there are not so many
	return append(b, "}\n"...)
}

// suffix implements [format].
func (jsonLines) suffix() string { return ".json" }

func jsonBegin(b []byte, at time.Time, level, msg string) []byte {
	b = append(b, `{"time":"`...)
	b = at.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
	b = append(b, `"`...)
	b = jsonText(b, "level", level)
	return jsonText(b, "msg", msg)
}

// jsonAddress appends an address with its port, if that is known.
func jsonAddress(b []byte, key, host string, port int) []byte {
	if port == 0 {
		return jsonText(b, key, host)
	}
	b = append(jsonKey(b, key), '"')
	if strings.IndexByte(host, ':') >= 0 {
		b = append(appendEscaped(append(b, '['), host), ']')
	} else {
		b = appendEscaped(b, host)
	}
	return append(strconv.AppendInt(append(b, ':'), int64(port), 10), '"')
}

func jsonKey(b []byte, key string) []byte {
	b = append(b, ',', '"')
	b = append(b, key...)
	return append(b, '"', ':')
}

func jsonNumber(b []byte, key string, n int64) []byte {
	return strconv.AppendInt(jsonKey(b, key), n, 10)
}

func jsonNumberIf(b []byte, key string, n int64) []byte {
	if n == 0 {
		return b
	}
	return jsonNumber(b, key, n)
}

// jsonMilliseconds appends a time to the microsecond.
func jsonMilliseconds(b []byte, key string, d time.Duration) []byte {
	return strconv.AppendFloat(jsonKey(b, key), float64(d.Microseconds())/1000, 'f', -1, 64)
}

func jsonTextIf(b []byte, key, s string) []byte {
	if s == "" {
		return b
	}
	return jsonText(b, key, s)
}

const hex = "0123456789abcdef"

func jsonText(b []byte, key, s string) []byte {
	return append(appendEscaped(append(jsonKey(b, key), '"'), s), '"')
}

// appendEscaped appends what stands between quotes. What is no UTF-8, and what ends a line for some readers, is replaced or escaped.
func appendEscaped(b []byte, s string) []byte {
	if len(s) > maxText {
		s = s[:maxText]
	}
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
			i++
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			i++
		case c < utf8.RuneSelf:
			b = append(b, c)
			i++
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			switch {
			case r == utf8.RuneError && n == 1:
				b = append(b, "\ufffd"...)
			case r < 0xa0 || r == 0x2028 || r == 0x2029: // control characters of Latin-1, and ends of lines
				b = append(b, '\\', 'u', hex[r>>12], hex[r>>8&15], hex[r>>4&15], hex[r&15])
			default:
				b = append(b, s[i:i+n]...)
			}
			i += n
		}
	}
	return b
}
