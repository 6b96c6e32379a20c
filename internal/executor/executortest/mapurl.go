package executortest

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
)

// testMapURL: MAP_URL_TO_PATH, its EX form and their UNICODE twins.
func testMapURL(t *testing.T, s *suite) {
	srv := s.serve(t, "support", executor.Options{})
	t.Run("plain", func(t *testing.T) { mapPlain(t, srv) })
	t.Run("ex", func(t *testing.T) { mapEx(t, srv) })
}

func mapPlain(t *testing.T, srv *server) {
	full := srv.images.below(srv.root, "/a b/c.txt")
	tests := []struct {
		name, url, args string
		want            string // first of the line: error, text in the buffer, bytes
		bytes           int
	}{
		{"found", "/a b/c.txt", "/d60000/g", "0 " + full, len(full) + 1},
		{"decoded, query cut", "/a%20b/%63.txt?x=%zz", "/d60000/n", "0 " + full, len(full) + 1},
		{"just fits", "/a b/c.txt", fmt.Sprintf("/d%d/n", len(full)+1), "0 " + full, len(full) + 1},
		{"one too small", "/a b/c.txt", fmt.Sprintf("/d%d/n", len(full)), "122 /a b/c.txt", len(full) + 1},
		{"asks for the size", "/a b/c.txt", "/d0/n", "122 /a b/c.txt", len(full) + 1},
		{"unmapped", "/unmapped", "/d60000/n", "2 /unmapped", 60000},
		{"not absolute", "a/b", "/d60000/n", "87 a/b", 60000},
		{"bad escape", "/%zz", "/d60000/n", "87 /%zz", 60000},
		{"empty", "", "/d60000/n", "87 ", 60000},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			res := srv.get("1001/" + arg("s", test.url) + test.args)
			if want := fmt.Sprintf("%s %d\n", test.want, test.bytes); res.Body != want {
				t.Errorf("1001: got %q, want %q", res.Body, want)
			}
			// The same in UTF-16: room and result are bytes, two for each character.
			args, n := test.args, test.bytes
			if room, _, _ := strings.Cut(strings.TrimPrefix(args, "/d"), "/"); n != 60000 && room != "60000" {
				have, _ := strconv.Atoi(room)
				args = fmt.Sprintf("/d%d/n", 2*have)
			}
			if n != 60000 {
				n *= 2
			}
			res = srv.get("1023/" + arg("w", test.url) + args)
			if want := fmt.Sprintf("%s %d\n", test.want, n); res.Body != want {
				t.Errorf("1023: got %q, want %q", res.Body, want)
			}
		})
	}
	if got := srv.get("1001/s%2Fa/n/n&1023/w%2Fa/n/n&1001/s%2Fa/g/n").Body; got != "87 /a\n87 /a\n87 /a\n" {
		t.Errorf("without a size: got %q, want 87 each", got)
	}
}

// mapEx: a path is cut at 260 characters with its NUL and fails with 122 then, as IIS 6 did; *size is the length of what is in
// the structure, with its NUL.
func mapEx(t *testing.T, srv *server) {
	root := srv.images.seen(srv.root)
	room := 260 - 1 - len(root) // characters of the URL that fit
	tests := []struct {
		name, url string
		err       string
		path      string
	}{
		{"short", "/a", "0", srv.images.below(srv.root, "/a")},
		{"just fits", "/" + strings.Repeat("x", room-1), "0", srv.images.below(srv.root, "/"+strings.Repeat("x", room-1))},
		{"cut", "/" + strings.Repeat("x", room), "122", srv.images.below(srv.root, "/"+strings.Repeat("x", room-1))},
		{"cut by far", "/" + strings.Repeat("x", 9*room), "122", srv.images.below(srv.root, "/"+strings.Repeat("x", room-1))},
		{"unmapped", "/unmapped", "2", ""},
		{"not absolute", "a", "87", ""},
	}
	for _, test := range tests {
		for code, width := range map[string]int{"1012": 1, "1024": 2} {
			size := 260*width + 12 + (2-width)*8
			got := strings.Fields(srv.get(fmt.Sprintf("%s/%s/d7/o%d", code, arg([]string{"", "s", "w"}[width], test.url), size)).Body)
			if len(got) != 4 || got[0] != test.err {
				t.Fatalf("%s %s: got %.80q, want error %s", code, test.name, got, test.err)
			}
			info, err := hex.DecodeString(got[3])
			if err != nil || len(info) != size {
				t.Fatal(got[3], err)
			}
			if test.path == "" {
				if got[2] != "7" || strings.Trim(got[3], "e") != "" {
					t.Errorf("%s %s: it failed and wrote: %v", code, test.name, got)
				}
				continue
			}
			path := info[:260*width]
			if width == 2 {
				for i := range 260 {
					path[i] = path[2*i]
				}
				path = path[:260]
			}
			text, rest, _ := bytes.Cut(path, []byte{0})
			if string(text) != test.path {
				t.Errorf("%s %s: path %q, want %q", code, test.name, text, test.path)
			}
			if width == 1 && strings.Trim(string(rest), "\x00") != "" {
				t.Errorf("%s %s: garbage behind the path", code, test.name)
			}
			wantSize := []string{"", strconv.Itoa(len(test.path) + 1), "7"}[width]
			if got[2] != wantSize {
				t.Errorf("%s %s: *size is %s, want %s", code, test.name, got[2], wantSize)
			}
			for i, want := range []int{0x205, len(root), 1} {
				if v := binary.LittleEndian.Uint32(info[260*width+4*i:]); int(v) != want {
					t.Errorf("%s %s: number %d is %d, want %d", code, test.name, i, v, want)
				}
			}
		}
	}
	if got := srv.get("1012/s%2Fa/n/o280&1012/s%2Fa/d1/n&1024/w%2Fa/g/o532").Body; !strings.HasPrefix(got, "0 /a ") ||
		!strings.Contains(got, "\n87 /a 1\n0 /a ") {
		t.Errorf("optional arguments: got %q, want that only the structure is needed", got)
	}
}
