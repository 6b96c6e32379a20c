package isapi

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseHead(t *testing.T) {
	html := []Field{{"Content-Type", "text/html"}}
	for _, c := range []struct {
		name, status, headers string
		want                  Head
		err                   string
	}{
		{name: "nothing", want: Head{Status: 200}},
		{name: "bare code", status: "302", want: Head{Status: 302}},
		{name: "code and reason", status: "200 OK", headers: "Content-Type: text/html\r\n\r\n",
			want: Head{Status: 200, Reason: "OK", Fields: html}},
		{name: "free text", status: "500 Failed to open thread token", want: Head{Status: 500, Reason: "Failed to open thread token"}},
		{name: "reason with colon", status: "500 Error: no disk", headers: "Content-Type: text/html\r\n\r\n",
			want: Head{Status: 500, Reason: "Error: no disk", Fields: html}},
		{name: "protocol stripped", status: "HTTP/1.1 404 Not Found", want: Head{Status: 404, Reason: "Not Found"}},
		{name: "header as status", status: "Connection:Keep-Alive", headers: "Content-Type: text/html\r\n\r\n",
			want: Head{Status: 200, Fields: []Field{{"Connection", "Keep-Alive"}, html[0]}}},
		{name: "block as status", status: "Content-Type: text/html\r\n\r\nhello", want: Head{Status: 200, Fields: html, Body: "hello"}},
		{name: "status line in block", headers: "HTTP/1.0 403 No\r\nContent-Type: text/html\r\n\r\n",
			want: Head{Status: 403, Reason: "No", Fields: html}},
		{name: "status trailing CRLF", status: "200 OK\r\n", headers: "Content-Type: text/html\r\n\r\n",
			want: Head{Status: 200, Reason: "OK", Fields: html}},
		{name: "bare LF", status: "200 OK", headers: "Content-Type: text/html\n\nbody", want: Head{Status: 200, Reason: "OK", Fields: html, Body: "body"}},
		{name: "no blank line", status: "200 OK", headers: "Content-Type: text/html", want: Head{Status: 200, Reason: "OK", Fields: html}},
		{name: "blank before colon", headers: "Content-Type : text/html\r\n\r\n", want: Head{Status: 200, Fields: html}},
		{name: "Status field", headers: "Status: 404 Not Found\r\nContent-Type: text/html\r\n\r\n",
			want: Head{Status: 404, Reason: "Not Found", Fields: html}},
		{name: "Status field loses to argument", status: "200 OK", headers: "Status: 404 Not Found\r\nContent-Type: text/html\r\n\r\n",
			want: Head{Status: 200, Reason: "OK", Fields: html}},
		{name: "folded", headers: "X: a\r\n b\r\n\r\n", want: Head{Status: 200, Fields: []Field{{"X", "a b"}}}},
		{name: "only CRLF", status: "200 OK", headers: "\r\n", want: Head{Status: 200, Reason: "OK"}},
		{name: "not a status", status: "hello", headers: "A: b\r\n", err: "not a number"},
		{name: "out of range", status: "600 X", err: "not a number"},
		{name: "negative", status: "-12", err: "not a number"},
		{name: "injected status", status: "200 OK\r\nSet-Cookie: a=b", headers: "A: b\r\n\r\n", err: "line break"},
		{name: "carriage return in value", headers: "A: b\rSet-Cookie: x\r\n\r\n", err: "control characters"},
		{name: "no colon", headers: "A: b\r\nnonsense\r\n\r\n", err: "not a header line"},
		{name: "bad name", headers: "A: b\r\n(): c\r\n\r\n", err: "not a header line"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseHead(c.status, c.headers)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("ParseHead(%q, %q): %v, want an error with %q", c.status, c.headers, err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Fields) == 0 {
				got.Fields = nil
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("ParseHead(%q, %q)\n got %+v\nwant %+v", c.status, c.headers, got, c.want)
			}
		})
	}
}

func TestParseRaw(t *testing.T) {
	for _, c := range []struct {
		in     string
		kind   RawKind
		status int
		n      int
	}{
		{"", RawMore, 0, 0},
		{"HT", RawMore, 0, 0},
		{"HTTP/1.1 200 OK\r\n", RawMore, 0, 0},
		{"HTTP/1.1 201 Made\r\nA: b\r\n\r\nbody", RawHead, 201, 27},
		{"HTTP/1.1 204 No\r\n\r\n", RawHead, 204, 19},
		{"Content-Type: text/html\n\nbody", RawHead, 200, 25},
		{"Status: 404 Gone\n\n", RawHead, 404, 18},
		{"Content-Type: text/html\n", RawMore, 0, 0},
		{"Content-Type: text/html\r\n\r", RawMore, 0, 0},
		{"<html>", RawBody, 0, 0},
		{"hello", RawMore, 0, 0},
		{"hello, world", RawBody, 0, 0},
		{"\r\n\r\n", RawBody, 0, 0},
		{"HTTP/1.1 abc\r\n\r\n", RawBody, 0, 0},
		{strings.Repeat("a", MaxRawHead), RawBody, 0, 0},
	} {
		kind, h, n := ParseRaw([]byte(c.in))
		if kind != c.kind || n != c.n || kind == RawHead && h.Status != c.status {
			t.Errorf("ParseRaw(%.40q) = %v %d n=%d, want %v %d n=%d", c.in, kind, h.Status, n, c.kind, c.status, c.n)
		}
	}
}

// FuzzHead: whatever is accepted holds no line break an attacker could have brought, and parses to the same again.
func FuzzHead(f *testing.F) {
	for _, s := range [][2]string{{"200 OK", "Content-Type: text/html\r\n\r\n"}, {"", "Status: 404\n\nx"}, {"Connection:Keep-Alive", ""},
		{"HTTP/1.1 200 OK", "A : b\r\n c\r\n"}, {"302", "Location: /\r\n\r\nbody"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, status, headers string) {
		h, err := ParseHead(status, headers)
		if err != nil {
			return
		}
		if h.Status < 100 || h.Status > 599 {
			t.Fatalf("status %d", h.Status)
		}
		text := ""
		for _, fd := range h.Fields {
			if !IsToken(fd.Name) || !isFieldValue(fd.Value) {
				t.Fatalf("field %q: %q", fd.Name, fd.Value)
			}
			text += fd.Name + ": " + fd.Value + "\r\n"
		}
		if !isFieldValue(h.Reason) {
			t.Fatalf("reason %q", h.Reason)
		}
		again, err := ParseHead("200", text+"\r\n")
		if err != nil || len(again.Fields) != len(h.Fields) {
			t.Fatalf("%q: %v, %d fields, want %d", text, err, len(again.Fields), len(h.Fields))
		}
		_, raw, n := ParseRaw([]byte(headers))
		if n > len(headers) || raw.Status > 599 {
			t.Fatalf("raw: n=%d status=%d", n, raw.Status)
		}
	})
}
