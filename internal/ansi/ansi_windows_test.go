package ansi

import (
	"strings"
	"testing"
)

func TestCodePages(t *testing.T) {
	for _, c := range []struct {
		page       uint32
		text, want string
		back       string // "": text
	}{
		{1252, "/plain/path", "/plain/path", ""},
		{1252, "Grüße €", "Gr\xfc\xdfe \x80", ""},
		{1252, "/a\u2215b\uff0f..\uff3c", "/a?b?..?", "/a?b?..?"}, // no slash of any kind becomes one
		{1252, "日本", "??", "??"},
		{1252, "Gr\xfc\xdfe", "Gr\xfc\xdfe", "Grüße"},
		{1251, "Я", "\xdf", ""},
		{932, "日本\\", "\x93\xfa\x96\x7b\\", ""},
		{932, "\u00a5", "?", "?"}, // the yen sign, which is a back slash to some
		{65001, "Grüße 日本", "Grüße 日本", ""},
		{1252, "", "", ""},
		{1252, "\U0001F600", "??", "??"},
	} {
		got := encode(c.page, c.text)
		if got != c.want {
			t.Errorf("%q in code page %d is %q, want %q", c.text, c.page, got, c.want)
		}
		if c.back == "" {
			c.back = c.text
		}
		if back := decode(c.page, got); back != c.back {
			t.Errorf("%q of code page %d is %q, want %q", got, c.page, back, c.back)
		}
	}
	long := strings.Repeat("ä", 1<<16)
	if got := decode(1252, encode(1252, long)); got != long {
		t.Errorf("a long text is one of %d bytes, want %d", len(got), len(long))
	}
}
