package passwd

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Published test vectors: of crypt_blowfish, and of the reference implementation of argon2.
const (
	blowfish = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" // "U*U"
	argon    = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestHashes(t *testing.T) {
	for text, password := range map[string]string{
		blowfish: "U*U",
		strings.Replace(blowfish, "$2a$", "$2b$", 1): "U*U",
		strings.Replace(blowfish, "$2a$", "$2y$", 1): "U*U",
		argon: "password",
	} {
		h, err := parseHash(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if !h.matches(password) || h.matches(password+"x") || h.matches("") {
			t.Errorf("%s does not take exactly its password", text)
		}
		if h.lanes() != 1 {
			t.Errorf("%s: %d lanes", text, h.lanes())
		}
	}
}

func TestHashesRefused(t *testing.T) {
	phc := func(parameters string) string {
		return "$argon2id$v=19$" + parameters + "$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	}
	for text, want := range map[string]string{
		"$apr1$abcdefgh$0123456789012345678901": "an MD5 hash (apr1)",
		"$1$abcdefgh$0123456789012345678901":    "an MD5 hash (crypt)",
		"$5$abc$def":                            "a SHA-256 hash",
		"$6$abc$def":                            "a SHA-512 hash",
		"$y$j9T$abc$def":                        "a yescrypt hash",
		"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=":     "a SHA-1 hash",
		"rqXexS6ZhobKA":                         "a DES hash (crypt), or a password in clear text",
		"secret":                                "a password in clear text",
		"":                                      "a password in clear text",
		strings.Replace(blowfish, "$2a$", "$2x$", 1): "of a broken kind",
		blowfish + "x":         "with an error in it",
		blowfish + ":1000:Joe": "with an error in it",
		strings.Replace(blowfish, "$05$", "$18$", 1):     "a cost that is not 4 to 17",
		strings.Replace(blowfish, "$05$", "$03$", 1):     "a cost that is not 4 to 17",
		strings.Replace(argon, "argon2id", "argon2i", 1): "argon2 hash that is not argon2id",
		strings.Replace(argon, "v=19", "v=16", 1):        "not of the form",
		argon + "$":                        "not of the form",
		argon + "=":                        "not of the form",
		phc("t=2,m=256,p=1"):               "not of the form",
		phc("m=256,t=2"):                   "not of the form",
		phc("m=256,t=2,p=1,keyid=AA"):      "not of the form",
		phc("m=0,t=2,p=1"):                 "not of the form",
		phc("m=256,t=0,p=1"):               "not of the form",
		phc("m=256,t=2,p=0"):               "not of the form",
		phc("m=256,t=2,p=17"):              "p=17; at most 16",
		phc("m=7,t=2,p=1"):                 "m=7 and t=2",
		phc("m=1048577,t=1,p=1"):           "m=1048577 and t=1",
		phc("m=1048576,t=5,p=1"):           "m=1048576 and t=5",
		phc("m=999999999,t=999999999,p=1"): "m=999999999 and t=999999999",
		phc("m=9999999999,t=1,p=1"):        "not of the form",
		"$argon2id$v=19$m=256,t=2,p=1$c29t$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4": "salt is not 8 to 64 bytes",
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65":                                 "hash is not 16 to 64",
		argon[:len(argon)-1] + "5":                                                      "in base64", // bits that belong to no byte
	} {
		h, err := parseHash(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v, want %q", text, h, err, want)
		}
		if err != nil && len(text) > 20 && strings.Contains(err.Error(), text[len(text)-10:]) {
			t.Errorf("%q: the error repeats it: %v", text, err)
		}
	}
}

func TestParse(t *testing.T) {
	tab, err := parse([]byte("\ufeff# staff\n\njoe:" + blowfish + "\r\nzoë müller:" + argon + "\nDOMAIN\\x:" + blowfish))
	must(t, err)
	for _, name := range []string{"joe", "zoë müller", `DOMAIN\x`} {
		if tab.users[name] == nil {
			t.Errorf("no user %q", name)
		}
	}
	if len(tab.users) != 3 || len(tab.all) != 3 {
		t.Errorf("users: %v", tab.users)
	}
	for text, want := range map[string]string{
		"joe":                             "line 1 is not of the form",
		"# a\njoe:secret":                 "line 2 has a password in clear text",
		"joe:" + argon + "\njoe:" + argon: "line 2 has the name of line 1",
		":" + argon:                       "line 1: the name is empty",
		" joe:" + argon:                   "line 1: the name begins with",
		"joe :" + argon:                   "line 1: the name begins with",
		"j\x00e:" + argon:                 "line 1: the name holds a control",
		"j\xff:" + argon:                  "line 1: the name holds a control",
		strings.Repeat("j", 257) + ":x":   "line 1: the name is longer",
		"joe:" + argon + " ":              "line 1 has",
		strings.Repeat("#", maxFile+1):    "longer than",
	} {
		if _, err := parse([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", text, err, want)
		}
	}
}

// countingHash takes "right".
type countingHash struct {
	checked *atomic.Int32
	enter   chan bool // nil: it is quick
}

func (h countingHash) matches(password string) bool {
	h.checked.Add(1)
	if h.enter != nil {
		h.enter <- true
		<-h.enter
	}
	return password == "right"
}

func (countingHash) lanes() int64 { return 1 }

// with makes a File of users that all have the same hash.
func with(h hash, users ...string) *File {
	f := &File{start: time.Now()}
	f.next.Store(int64(time.Hour))
	t := newTable()
	for _, u := range users {
		t.add(u, h)
	}
	f.table.Store(t)
	return f
}

func verify(t *testing.T, f *File, name, password string) bool {
	t.Helper()
	ok, err := f.Verify(context.Background(), name, password)
	must(t, err)
	return ok
}

func TestVerify(t *testing.T) {
	var checked atomic.Int32
	f := with(countingHash{checked: &checked}, "joe", "ann")
	for _, try := range []struct {
		name, password string
		ok             bool
		checks         int32
	}{
		{"joe", "wrong", false, 1},
		{"joe", "wrong", false, 0},
		{"joe", "right", true, 1},
		{"joe", "right", true, 0},
		{"joe", "wrong", false, 0},
		{"joe", "wrong again", false, 1},
		{"ann", "right", true, 1}, // of another user
		{"nobody", "right", false, 1},
		{"nobody", "right", false, 0},
		{"nobody", "", false, 1},
		{"", "right", false, 1},
		{"joer", "ight", false, 1},
	} {
		checked.Store(0)
		if ok := verify(t, f, try.name, try.password); ok != try.ok || checked.Load() != try.checks {
			t.Errorf("%q with %q: got %v after %d checks, want %v after %d", try.name, try.password, ok, checked.Load(), try.ok, try.checks)
		}
	}
	if verify(t, with(nil), "joe", "right") {
		t.Error("a file without users lets somebody in")
	}
}

// A flood of wrong passwords makes nobody forget a right one, and the other way round.
func TestRememberIsBounded(t *testing.T) {
	tab := newTable()
	of := func(i int) key { return key{byte(i), byte(i >> 8), byte(i >> 16)} }
	for i := range mostKnown {
		tab.remember(of(i), true)
		tab.remember(of(i), true)
	}
	for i := range mostKnown + 100 {
		tab.remember(of(1<<16+i), false)
	}
	for i := range mostKnown {
		if right, known := tab.recall(of(i)); !right || !known {
			t.Fatalf("right one %d is forgotten", i)
		}
	}
	for i := range 100 {
		tab.remember(of(mostKnown+i), true)
	}
	if len(tab.known) != 2*mostKnown || tab.right != mostKnown {
		t.Errorf("%d are remembered, %d as right, want %d and %d", len(tab.known), tab.right, 2*mostKnown, mostKnown)
	}
	for i, want := range map[int]bool{mostKnown + 99: true, 1<<16 + mostKnown + 99: false} {
		if right, known := tab.recall(of(i)); right != want || !known {
			t.Errorf("the last one is forgotten: %v, %v", right, known)
		}
	}
}

// As many as there are places wait, the next is told that it is too many, and nobody looks for one that has gone away.
func TestGate(t *testing.T) {
	g := newGate(2)
	leave, err := g.enter(context.Background(), 7) // more than there are: all
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	var through, gone atomic.Int32
	for i := range mostWaiting {
		c := context.Background()
		if i%2 == 0 {
			c = ctx
		}
		all.Go(func() {
			leave, err := g.enter(c, 1)
			switch {
			case err == nil:
				through.Add(1)
				leave()
			case errors.Is(err, context.Canceled):
				gone.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	for g.waiting.Load() < mostWaiting {
		time.Sleep(time.Millisecond)
	}
	if _, err := g.enter(context.Background(), 1); !errors.Is(err, ErrBusy) {
		t.Errorf("one more: %v, want ErrBusy", err)
	}
	cancel()
	for gone.Load() < mostWaiting/2 {
		time.Sleep(time.Millisecond)
	}
	leave()
	all.Wait()
	if through.Load() != mostWaiting/2 || g.waiting.Load() != 0 {
		t.Errorf("%d came through, %d wait", through.Load(), g.waiting.Load())
	}
	leave, err = g.enter(context.Background(), 2)
	must(t, err)
	leave()
}

// Requests of one client that come at once are one check.
func TestVerifyOnceForAll(t *testing.T) {
	old := checks
	checks = newGate(1)
	defer func() { checks = old }()
	var checked atomic.Int32
	h := countingHash{&checked, make(chan bool)}
	f := with(h, "joe")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if ok, err := f.Verify(context.Background(), "joe", "right"); !ok || err != nil {
				t.Errorf("got %v, %v", ok, err)
			}
		})
	}
	<-h.enter
	for checks.waiting.Load() < 19 {
		time.Sleep(time.Millisecond)
	}
	h.enter <- true
	all.Wait()
	if checked.Load() != 1 {
		t.Errorf("%d checks, want 1", checked.Load())
	}
}

// opened is a File of a real file, which is looked at whenever the test says so.
func opened(t *testing.T, content string) (f *File, path string, log *bytes.Buffer) {
	t.Helper()
	path, log = filepath.Join(t.TempDir(), "users"), &bytes.Buffer{}
	must(t, os.WriteFile(path, []byte(content), 0o600))
	f, err := Open(path, slog.New(slog.NewTextHandler(log, nil)))
	must(t, err)
	f.next.Store(int64(time.Hour))
	return f, path, log
}

// notThere is what the system says of a file that is not there.
var notThere = syscall.ENOENT.Error()

func TestReload(t *testing.T) {
	joe, ann := "joe:"+blowfish+"\n", "ann:"+blowfish+"\n"
	f, path, log := opened(t, joe)
	has := func(step, name string, want bool) {
		t.Helper()
		f.next.Store(0)
		if got := verify(t, f, name, "U*U"); got != want {
			t.Errorf("%s: %s comes in: %v, want %v", step, name, got, want)
		}
	}
	old := func() { // as if it had been written long ago
		t.Helper()
		then := time.Now().Add(-time.Hour)
		must(t, os.Chtimes(path, then, then))
		f.next.Store(0)
		f.current()
	}
	has("at first", "joe", true)
	before := f.table.Load()
	has("unchanged, and young", "joe", true)
	old()
	has("unchanged, with another time", "joe", true)
	if f.table.Load() != before {
		t.Error("the same content is another table: what was right is forgotten")
	}
	must(t, os.WriteFile(path, []byte(ann), 0o600))
	has("written over", "joe", false)
	has("written over", "ann", true)
	old()

	then := time.Now().Add(-time.Hour)
	must(t, os.WriteFile(path+".new", []byte(joe), 0o600)) // as long, and as old
	must(t, os.Chtimes(path+".new", then, then))
	must(t, os.Rename(path+".new", path))
	has("renamed", "joe", true)

	must(t, os.WriteFile(path, []byte("joe:secret\n"), 0o600))
	has("broken", "joe", true)
	has("broken", "joe", true)
	must(t, os.Remove(path))
	has("removed", "joe", true)
	has("removed", "joe", true)
	must(t, os.Mkdir(path, 0o700))
	has("folder", "joe", true)
	must(t, os.Remove(path))
	must(t, os.WriteFile(path, nil, 0o600))
	must(t, os.Chtimes(path, time.Now().Add(time.Hour), time.Now().Add(time.Hour))) // however slow this test is
	has("empty, and young", "joe", true)
	old()
	has("empty", "joe", false)
	must(t, os.WriteFile(path, []byte(joe+ann), 0o600))
	has("good again", "ann", true)

	text := log.String()
	for want, times := range map[string]int{"clear text": 1, notThere: 1, "not a file": 1, "has changed": 4, "secret\\n": 0, blowfish: 0} {
		if got := strings.Count(text, want); got != times {
			t.Errorf("the log says %q %d times, want %d:\n%s", want, got, times, text)
		}
	}
}

// The file is not looked at more than once a second.
func TestLooksSeldom(t *testing.T) {
	f, path, _ := opened(t, "joe:"+blowfish+"\n")
	must(t, os.Remove(path))
	must(t, os.WriteFile(path, []byte("ann:"+blowfish+"\n"), 0o600))
	if !verify(t, f, "joe", "U*U") {
		t.Error("the file was read before its time")
	}
	f.next.Store(0)
	f.current()
	if next := time.Duration(f.next.Load()); next < lookEvery || next > time.Since(f.start)+lookEvery {
		t.Errorf("the next look is at %v", next)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	must(t, os.WriteFile(bad, []byte("# x\njoe:$apr1$abc$defghijklm\n"), 0o600))
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): notThere,
		dir:                        "not a file",
		bad:                        `line 2 has an MD5 hash (apr1); only bcrypt and argon2id are taken: make the line anew with "isapid passwd"`,
	} {
		if _, err := Open(path, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), strconv.Quote(path)) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

func TestEntry(t *testing.T) {
	for _, kind := range []Kind{Argon2id, Bcrypt} {
		a, err := Entry("zoë", "pass wörd", kind)
		must(t, err)
		b, err := Entry("zoë", "pass wörd", kind)
		must(t, err)
		if a == b {
			t.Errorf("%s: two entries are the same: there is no salt", kind)
		}
		f, _, _ := opened(t, a)
		if !verify(t, f, "zoë", "pass wörd") || verify(t, f, "zoë", "pass word") {
			t.Errorf("%s: %q does not take exactly its password", kind, a)
		}
	}
	for _, bad := range []struct {
		name, password string
		kind           Kind
		want           string
	}{
		{"", "x", Bcrypt, "name is empty"},
		{"a:b", "x", Bcrypt, "holds a colon"},
		{"a\nb", "x", Bcrypt, "control character"},
		{"#a", "x", Bcrypt, "begins with a #"},
		{"a", "", Bcrypt, "password is empty"},
		{"a", "b\r", Bcrypt, "control character"},
		{"a", strings.Repeat("x", 73), Bcrypt, "up to 72 bytes"},
		{"a", strings.Repeat("x", 257), Argon2id, "longer than 256"},
		{"a", "x", "md5", `"md5" is not known`},
	} {
		if e, err := Entry(bad.name, bad.password, bad.kind); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%q: got %q, %v, want %q", bad.name, e, err, bad.want)
		}
	}
}

func TestEdit(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "users")
	line := func(name string) string { return name + ":" + blowfish }
	content := func(want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		must(t, err)
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	set := func(entry string, wantReplaced bool) {
		t.Helper()
		if replaced, err := Set(path, entry); err != nil || replaced != wantReplaced {
			t.Errorf("Set(%q): %v, %v", entry, replaced, err)
		}
	}
	set(line("joe"), false)
	content(line("joe") + "\n")
	info, err := os.Stat(path)
	must(t, err)
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode of a new file: %v", info.Mode())
	}
	must(t, os.WriteFile(path, []byte("# staff\n"+line("joe")+"\r\n"+line("joey")), 0o600))
	must(t, os.Chmod(path, 0o640))
	link := filepath.Join(dir, "link")
	if runtime.GOOS == "windows" { // where not everybody can make one
		link = path
	} else {
		must(t, os.Symlink("users", link))
	}
	if replaced, err := Set(link, "joe:"+argon); err != nil || !replaced {
		t.Errorf("through a link: %v, %v", replaced, err)
	}
	set(line("ann"), false)
	content("# staff\njoe:" + argon + "\n" + line("joey") + "\n" + line("ann") + "\n")
	if info, err = os.Lstat(path); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o640 {
		t.Errorf("mode of a changed file: %v, %v", info.Mode(), err)
	}
	must(t, Remove(path, "joey"))
	content("# staff\njoe:" + argon + "\n" + line("ann") + "\n")
	if err := Remove(path, "joey"); err == nil || !strings.Contains(err.Error(), "no user of that name") {
		t.Errorf("removed twice: %v", err)
	}
	if err := Remove(filepath.Join(dir, "none"), "joe"); err == nil || !strings.Contains(err.Error(), notThere) {
		t.Errorf("removed from no file: %v", err)
	}
	must(t, os.WriteFile(path, []byte("joe:secret\n"), 0o600))
	if _, err := Set(path, line("ann")); err == nil || !strings.Contains(err.Error(), "line 1 has a password in clear text") {
		t.Errorf("set in a file with an error: %v", err)
	}
	content("joe:secret\n")
	if left, err := filepath.Glob(filepath.Join(dir, ".passwd-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Whatever a file holds, it is taken or refused, and what is taken costs no more than it may.
func FuzzParse(f *testing.F) {
	f.Add([]byte("# staff\njoe:" + blowfish + "\r\nann:" + argon + "\n"))
	f.Add([]byte("joe:$apr1$x$y\n:\n\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tab, err := parse(data)
		if err != nil {
			if tab != nil {
				t.Error("a table with an error")
			}
			return
		}
		if len(tab.all) != len(tab.users) {
			t.Errorf("%d hashes of %d users", len(tab.all), len(tab.users))
		}
		for name, h := range tab.users {
			if err := checkName(name); err != nil {
				t.Error(err)
			}
			if h.lanes() < 1 || h.lanes() > mostLanes {
				t.Errorf("%d lanes", h.lanes())
			}
		}
	})
}

// A PHC string that is taken is the one way to write that hash.
func FuzzHash(f *testing.F) {
	f.Add(argon)
	f.Add(blowfish)
	f.Add("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHash(text)
		if err != nil {
			return
		}
		switch h := h.(type) {
		case *argonHash:
			if got := h.String(); got != text {
				t.Errorf("got %q, want %q", got, text)
			}
			if uint64(h.memory)*uint64(h.time) > mostWork || h.memory > mostMemory || h.memory < 8*uint32(h.threads) {
				t.Errorf("%q costs too much", text)
			}
		case bcryptHash:
			if string(h) != text {
				t.Errorf("got %q, want %q", h, text)
			}
		}
	})
}

func BenchmarkVerifyRemembered(b *testing.B) {
	var checked atomic.Int32
	f := with(countingHash{checked: &checked}, "joe")
	b.ReportAllocs()
	for b.Loop() {
		if ok, _ := f.Verify(context.Background(), "joe", "right"); !ok {
			b.Fatal("refused")
		}
	}
}
