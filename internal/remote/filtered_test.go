//go:build linux

package remote_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/testwait"
	"github.com/isapid/isapid/internal/wire"
)

func init() {
	if len(os.Args) == 3 && os.Args[1] == "counted" {
		if err := relay(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// relay stands between a front and a worker that it starts, and writes the frames they exchange to a file: "> REQUEST 3 120" has a
// direction, a kind, an exchange and the bytes of the payload.
func relay(file string) error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	theirs := os.NewFile(uintptr(fds[1]), "worker")
	cmd := exec.Command("/proc/self/exe", "worker", "test/1")
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = []*os.File{theirs}, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	theirs.Close()
	log, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	go pass(3, fds[0], ">", log)
	pass(fds[0], 3, "<", log)
	return cmd.Wait()
}

// pass copies from one socket to another until there is nothing more.
func pass(from, to int, direction string, log io.Writer) {
	names := [...]string{"?", "HELLO", "REQUEST", "BODY", "CANCEL", "WINDOW", "GONE", "REPLY", "HEAD", "DATA", "FILE", "CREDIT", "CALL", "END", "CONTROL", "ANSWER", "NOTE", "REGION", "LEND", "TRACE", "BOARD"}
	var pending []byte
	buf, oob := make([]byte, 1<<20), make([]byte, 4096)
	for {
		n, oobn, _, _, err := unix.Recvmsg(from, buf, oob, unix.MSG_CMSG_CLOEXEC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n <= 0 || err != nil {
			_ = unix.Shutdown(to, unix.SHUT_WR)
			return
		}
		pending = append(pending, buf[:n]...)
		for len(pending) >= 16 && len(pending) >= 16+int(binary.LittleEndian.Uint32(pending)) {
			size, kind := int(binary.LittleEndian.Uint32(pending)), "?"
			if k := int(pending[4]); k < len(names) {
				kind = names[k]
			}
			fmt.Fprintln(log, direction, kind, binary.LittleEndian.Uint64(pending[8:]), size)
			pending = pending[16+size:]
		}
		rest, rights := buf[:n], oob[:oobn]
		for len(rest) > 0 {
			sent, err := unix.SendmsgN(to, rest, rights, nil, 0)
			if err != nil {
				return
			}
			rest, rights = rest[sent:], nil
		}
		list, _ := unix.ParseSocketControlMessage(oob[:oobn])
		for _, m := range list {
			fds, _ := unix.ParseUnixRights(&m)
			for _, fd := range fds {
				unix.Close(fd)
			}
		}
	}
}

// place is a URL space for filters: files, and what begins with the name of an image is that image's.
type place struct {
	pages
	root  string
	ext   map[string]string // first segment of the path → image
	users map[string]string
	here  bool // images of other routes run in the worker
	tell  bool // answer nothing but what was asked for

	mu     sync.Mutex
	asked  []string // what was asked of it
	answer func(w http.ResponseWriter, r *http.Request, rt *executor.Route) executor.Result
}

func newPlace(t *testing.T) *place {
	return &place{root: t.TempDir(), users: map[string]string{"alice": "wonderland"}}
}

func (p *place) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, fmt.Sprintf(format, args...))
}

// taken is what was asked since the last time.
func (p *place) taken() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := strings.Join(p.asked, ", ")
	p.asked = nil
	return list
}

var theApp = &executor.App{SiteID: 1, SiteName: "test", Path: "/"}

func (p *place) Route(r *http.Request) *executor.Route {
	p.note("route %s %s", r.Method, r.URL)
	return p.route(r)
}

func (p *place) route(r *http.Request) *executor.Route {
	rt := &executor.Route{App: theApp, Anonymous: true}
	if name, word, ok := r.BasicAuth(); ok {
		rt.User, rt.Denied = p.known(name, word)
	}
	rt.Maps = []executor.URLMap{{URL: r.URL.Path, Mapping: executor.Mapping{Path: p.root + r.URL.Path, MatchedPath: len(p.root)}}}
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if image := p.ext[first]; image != "" {
		rt.Image, rt.Maps[0].ScriptMap = image, "*,"+image
		rt.Target = &executor.Target{ScriptName: "/" + first, PathInfo: strings.TrimPrefix(r.URL.Path, "/"+first), App: theApp}
	}
	return rt
}

func (p *place) known(name, word string) (*executor.User, bool) {
	if p.users[name] == "" || p.users[name] != word {
		return nil, true
	}
	return &executor.User{Name: name, Password: word, Type: "Basic"}, false
}

func (p *place) Logon(_ *http.Request, _ *executor.Route, name, word string) (*executor.User, bool) {
	p.note("logon %s %s", name, word)
	return p.known(name, word)
}

func (p *place) Answer(w http.ResponseWriter, r *http.Request, rt *executor.Route) executor.Result {
	user := "-"
	if rt.User != nil {
		user = rt.User.Name
	}
	if p.tell {
		path := "-"
		if rt.Maps[0].Changed {
			path = filepath.Base(rt.Maps[0].Path)
		}
		p.note("answer at %s for %s denied %v", path, user, rt.Denied)
		return executor.Result{Status: 200}
	}
	p.note("answer %s for %s", r.URL, user)
	if p.answer != nil {
		return p.answer(w, r, rt)
	}
	if rt.Denied {
		p.Error(w, r, 401, 0)
		return executor.Result{Status: 401}
	}
	http.ServeFile(w, r, rt.Maps[0].Path)
	return executor.Result{}
}

// stand is a worker with images, and a server whose requests go through the filters among them.
type stand struct {
	t       *testing.T
	place   *place
	w       *remote.Worker
	images  map[string]*remote.Image
	filters []executor.FilterRef
	url     string
	frames  string // the file that the relay writes; "" without
	trace   string
	ended   atomic.Int64 // events that a connection has ended
}

// newStand loads the images, of which those in filters are filters. The first segment of a path names the extension that answers.
func newStand(t *testing.T, relayed bool, extensions map[string]string, filters ...string) *stand {
	t.Helper()
	s := &stand{
		t: t, place: newPlace(t), images: map[string]*remote.Image{}, trace: filepath.Join(t.TempDir(), "trace"),
	}
	s.place.ext = extensions
	log := slog.New(slog.DiscardHandler)
	set := remote.Settings{
		Name: "test/1", Log: log, Spec: proc.Spec{Env: append(os.Environ(), "FILTER_TRACE="+s.trace)},
		Notify: func(e remote.Event) {
			if e.Kind == remote.Ended {
				s.ended.Add(1)
			}
		},
	}
	if relayed {
		s.frames = filepath.Join(t.TempDir(), "frames")
		set.Command = []string{os.Args[0], "counted", s.frames}
		set.Program = &remote.Program{Env: []string{wire.PlainByEnv + "="}} // what stands between them knows sockets only
	}
	var err error
	if s.w, err = remote.Start(t.Context(), set); err != nil {
		if o := (*remote.Obituary)(nil); errors.As(err, &o) {
			t.Log(o.Output)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.w.Kill("the test is over")
		<-s.w.Gone()
	})
	load := func(image string, filter bool) {
		if s.images[image] == nil {
			if s.images[image], err = s.w.Load(t.Context(), image, executor.Options{Logger: log, Filter: filter}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, image := range filters {
		s.filters = append(s.filters, executor.FilterRef{Image: image})
		load(image, true)
	}
	for _, image := range extensions {
		load(image, false)
	}
	s.url = s.serve()
	return s
}

// listener makes connections those of package conn.
type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return conn.Wrap(c), nil
}

func (s *stand) serve() string {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res, err := s.run(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
		res.Check()
	}))
	srv.Listener = listener{srv.Listener}
	srv.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return conn.NewContext(ctx, conn.Of(c)) }
	srv.Config.ConnState = func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateActive:
			conn.Of(c).RequestBegun()
		case http.StateIdle:
			conn.Of(c).RequestEnded()
		case http.StateClosed:
			conn.Of(c).Ended()
		default: // nothing to tell
		}
	}
	srv.Start()
	s.t.Cleanup(srv.Close)
	return srv.URL
}

// run takes a request through the filters in the worker, as a front does.
func (s *stand) run(w http.ResponseWriter, r *http.Request) (executor.Result, error) {
	rt := s.place.route(r)
	local := rt.Image != ""
	image := s.images[rt.Image]
	if !local {
		image = s.images[s.filters[0].Image]
	}
	t := &executor.Target{App: theApp}
	if rt.Target != nil {
		*t = *rt.Target
	}
	t.Host = s.place
	t.Filtered = &executor.Filtered{
		Filters: s.filters, Route: rt, Host: s.place, Connection: conn.From(r.Context()).Number(), Local: local,
		Here: func(*executor.Route) bool { return s.place.here },
	}
	return image.Execute(w, r, t)
}

// get is the answer to a request with more header lines.
func (s *stand) get(client *http.Client, target string, lines ...string) string {
	s.t.Helper()
	r, err := http.NewRequest("GET", s.url+target, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, line := range lines {
		if name, value, ok := strings.Cut(line, ": "); ok {
			r.Header.Set(name, value)
		}
	}
	resp, err := client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, body)
}

// lines are those of a file that has to do with what.
func lines(t *testing.T, file, what string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); strings.Contains(line, what) {
			list = append(list, line)
		}
	}
	return list
}

// connection is a client with connections of its own.
func connection(t *testing.T) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// frames are the kinds of frames since the last time, but for those of the end of connections.
func (s *stand) framesSince(from *int) string {
	list := lines(s.t, s.frames, "")
	var kinds []string
	for _, line := range list[*from:] {
		f := strings.Fields(line)
		kinds = append(kinds, f[0]+" "+f[1])
	}
	*from = len(list)
	return strings.Join(kinds, ", ")
}

// TestFilteredMessages: a request that goes through two filters to an extension is one message to the worker and its answer, and
// nothing is asked in between. What filters change costs a question.
func TestFilteredMessages(t *testing.T) {
	hello := testext.Fixture(t, "hello")
	s := newStand(t, true, map[string]string{"ext": hello}, testext.Fixture(t, "filter_trace"), testext.Fixture(t, "filter_trace", `-DNAME="b"`))
	if err := os.WriteFile(filepath.Join(s.place.root, "page.txt"), []byte("a page"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := connection(t)
	for _, q := range []struct{ name, target, do, answer, frames, asked string }{
		{"extension", "/ext/a", "", "200 ", "> REQUEST, < HEAD, < DATA, < END", ""},
		{"the same again", "/ext/a", "", "200 ", "> REQUEST, < HEAD, < DATA, < END", ""},
		{"headers changed", "/ext/a", "PREPROC_HEADERS=set:X-A:|1", "200 ", "> REQUEST, < HEAD, < DATA, < END", ""},
		{"a filter answers", "/ext/a", "PREPROC_HEADERS=page:own; PREPROC_HEADERS=finished", "200 own", "> REQUEST, < HEAD, < DATA, < END", ""},
		{"file", "/page.txt", "", "200 a page", "> REQUEST, < REQUEST, > HEAD, > DATA, > END, < HEAD, < DATA, < END", "answer /page.txt for -"},
		{
			"rewritten to an extension", "/page.txt", "PREPROC_HEADERS@a=set:url|/ext/b", "200 ",
			"> REQUEST, < CALL, > REPLY, < HEAD, < DATA, < END", "route GET /ext/b",
		},
	} {
		s.place.here = true
		from := len(lines(t, s.frames, ""))
		if got := s.get(c, q.target, "X-Do: "+q.do); !strings.HasPrefix(got, q.answer) {
			t.Errorf("%s: answered %q, want %q", q.name, got, q.answer)
		}
		var got string
		testwait.Until(t, "the relay has written the last frame", func() bool {
			at := from
			got = s.framesSince(&at)
			return strings.HasSuffix(got, "< END")
		})
		if got != q.frames {
			t.Errorf("%s: the frames are %s, want %s", q.name, got, q.frames)
		}
		if asked := s.place.taken(); asked != q.asked {
			t.Errorf("%s: asked %q, want %q", q.name, asked, q.asked)
		}
	}
}

// TestFilteredFile: a file goes through filters as a descriptor: its bytes do not travel.
func TestFilteredFile(t *testing.T) {
	s := newStand(t, true, nil, testext.Fixture(t, "filter_noop"))
	page := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	if err := os.WriteFile(filepath.Join(s.place.root, "big.bin"), page, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := s.get(connection(t), "/big.bin"); got != "200 "+string(page) {
		t.Errorf("got %d bytes, want %d", len(got)-4, len(page))
	}
	testwait.Until(t, "the relay has written the last frame", func() bool { return len(lines(t, s.frames, "END")) == 2 })
	if files, data := lines(t, s.frames, "FILE"), lines(t, s.frames, "DATA"); len(files) != 2 || len(data) > 0 {
		t.Errorf("files %q, data %q, want a file each way", files, data)
	}
}

// TestFilteredQuestions: what filters change is asked for, and what is answered is what they made of it.
func TestFilteredQuestions(t *testing.T) {
	hello := testext.Fixture(t, "hello")
	s := newStand(t, false, map[string]string{"ext": hello}, testext.Fixture(t, "filter_trace"))
	for _, name := range []string{"page.txt", "other.txt"} {
		if err := os.WriteFile(filepath.Join(s.place.root, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	alice := "Authorization: Basic YWxpY2U6d29uZGVybGFuZA=="
	for _, q := range []struct{ name, target, do, credentials, answer, asked string }{
		{"rewritten", "/page.txt", "PREPROC_HEADERS=set:url|/other.txt", "", "200 other.txt", "route GET /other.txt, route GET /other.txt, answer /other.txt for -"},
		{"rewritten back", "/page.txt", "PREPROC_HEADERS=set:url|/page.txt", "", "200 page.txt", "answer /page.txt for -"},
		{"path", "/page.txt", "URL_MAP=path:" + s.place.root + "/other.txt", "", "200 other.txt", "answer /page.txt for -"},
		{"client's own user", "/page.txt", "", alice, "200 page.txt", "answer /page.txt for alice"},
		{"another user", "/page.txt", "AUTHENTICATION=user:alice|wonderland", "", "200 page.txt", "logon alice wonderland, answer /page.txt for alice"},
		{"a user who is none", "/page.txt", "AUTHENTICATION=user:alice|guess", "", "401 ", "logon alice guess, answer /page.txt for -"},
		{"of an extension", "/ext/x", "AUTHENTICATION=user:alice|wonderland", "", "200 ", "logon alice wonderland"},
		{"denied before an extension", "/ext/x", "AUTHENTICATION=user:bob|b", "", "401 ", "logon bob b, answer /ext/x for -"},
		{"credentials in the header", "/page.txt", "PREPROC_HEADERS=set:Authorization:|" + alice[15:], "", "200 page.txt", "route GET /page.txt, route GET /page.txt, answer /page.txt for alice"},
		{"extension elsewhere", "/page.txt", "PREPROC_HEADERS=set:url|/ext/y", "", "404 ", "route GET /ext/y, route GET /ext/y, answer /ext/y for -"},
	} {
		got := s.get(connection(t), q.target, "X-Do: "+q.do, q.credentials)
		if asked := s.place.taken(); !strings.HasPrefix(got, q.answer) || asked != q.asked {
			t.Errorf("%s: answered %q, asked %q; want %q and %q", q.name, got, asked, q.answer, q.asked)
		}
	}
}

// TestFilteredSessions: a filter keeps what is a connection's, and is told once of its end, before it is told of its own.
func TestFilteredSessions(t *testing.T) {
	s := newStand(t, false, map[string]string{"ext": testext.Fixture(t, "hello")}, testext.Fixture(t, "filter_trace"), testext.Fixture(t, "filter_trace", `-DNAME="b"`))
	const ends = "END_OF_NET_SESSION"
	one, two := connection(t), connection(t)
	for range 3 {
		s.get(one, "/ext/a")
	}
	s.get(two, "/ext/b")
	if got := lines(t, s.trace, "a#1 PREPROC"); len(got) != 3 {
		t.Errorf("the first connection has the requests %q, want 3", got)
	}
	one.CloseIdleConnections()
	testwait.Until(t, "both filters are told of the end", func() bool { return len(lines(t, s.trace, ends)) >= 2 })
	if n := s.ended.Load(); n != 1 {
		t.Errorf("%d connections are said to have ended, want 1", n)
	}
	if err := s.w.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	got := lines(t, s.trace, "")
	count := func(what string) (n int) {
		for _, line := range got {
			if line == what {
				n++
			}
		}
		return n
	}
	for _, f := range []string{"a", "b"} {
		first, second := count(f+"#1 "+ends), count(f+"#2 "+ends)
		if first != 1 || second != 1 {
			t.Errorf("filter %s was told %d and %d times of the end of its connections, want once", f, first, second)
		}
		if end, last := slices.Index(got, f+" TerminateFilter"), slices.Index(got, f+"#2 "+ends); end < last || count(f+" TerminateFilter") != 1 {
			t.Errorf("filter %s: line %d is its end, line %d that of its last connection:\n%s", f, end, last, strings.Join(got, "\n"))
		}
	}
}

// TestFilteredKilled: a worker that is killed tells nobody anything, and the end of its connections is no trouble.
func TestFilteredKilled(t *testing.T) {
	s := newStand(t, false, map[string]string{"ext": testext.Fixture(t, "hello")}, testext.Fixture(t, "filter_trace"))
	c := connection(t)
	s.get(c, "/ext/a")
	if err := unix.Kill(s.w.Pid(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.w.Gone()
	c.CloseIdleConnections()
	testwait.Until(t, "the connection has ended", func() bool { return s.ended.Load() == 1 })
	if got := lines(t, s.trace, "END_OF_NET_SESSION"); len(got) > 0 {
		t.Errorf("told %q", got)
	}
}

// TestFilterUnloads: an image that requests go through is unloaded when they are out, and not before; its connections end for it, and
// go on for others.
func TestFilterUnloads(t *testing.T) {
	first, second := testext.Fixture(t, "filter_trace"), testext.Fixture(t, "filter_trace", `-DNAME="b"`)
	s := newStand(t, false, map[string]string{"ext": testext.Fixture(t, "hello")}, first, second)
	c := connection(t)
	s.get(c, "/ext/a")
	done := make(chan string)
	go func() { done <- s.get(connection(t), "/ext/slow", "X-Do: PREPROC_HEADERS@a=sleep:300") }()
	testwait.Until(t, "a request is in the filter", func() bool { return len(lines(t, s.trace, "a#2 PREPROC")) == 1 })
	if err := s.images[second].Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got := <-done; !strings.HasPrefix(got, "200 ") {
		t.Errorf("the request that was inside got %q", got)
	}
	if got := lines(t, s.trace, "b#1 END_OF_NET_SESSION"); len(got) != 1 {
		t.Errorf("the filter was told of the end of its connection %d times", len(got))
	}
	if got := lines(t, s.trace, "a#1 END_OF_NET_SESSION"); len(got) != 0 {
		t.Errorf("the other one was told %q", got)
	}
	if got := s.get(c, "/ext/a"); !strings.HasPrefix(got, "503 ") {
		t.Errorf("a request through an image that is gone got %q", got)
	}
}

// TestFilterLoads: a filter that is nothing else is described, and answers a ping. One that wants what does not reach a worker is refused.
func TestFilterLoads(t *testing.T) {
	s := newStand(t, false, nil, testext.Fixture(t, "filter_trace"))
	i := s.images[s.filters[0].Image]
	if i.Description() != "trace a" {
		t.Errorf("described as %q", i.Description())
	}
	if err := i.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	raw := testext.Fixture(t, "filter_upcase")
	if _, err := s.w.Load(t.Context(), raw, executor.Options{Filter: true}); err == nil || !strings.Contains(err.Error(), "SEND_RAW_DATA") {
		t.Errorf("a filter for raw data: %v", err)
	}
	if got := s.get(connection(t), "/none"); !strings.HasPrefix(got, "404 ") {
		t.Errorf("after that a request got %q", got)
	}
}

// TestFilteredBody: a body gets to whoever answers, whole, also behind a filter that rewrites.
func TestFilteredBody(t *testing.T) {
	s := newStand(t, false, nil, testext.Fixture(t, "filter_trace"))
	s.place.here = true
	s.place.answer = func(w http.ResponseWriter, r *http.Request, _ *executor.Route) executor.Result {
		w.WriteHeader(http.StatusOK)
		n, err := io.Copy(w, r.Body)
		s.place.note("%d bytes, %v", n, err)
		return executor.Result{}
	}
	for _, size := range []int{0, 1, 40 << 10, 64 << 10, 3 << 20} {
		body := bytes.Repeat([]byte{'x'}, size)
		for _, do := range []string{"", "PREPROC_HEADERS=set:url|/elsewhere", "AUTH_COMPLETE=set:url|/elsewhere"} {
			r, err := http.NewRequest("POST", s.url+"/page", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Do", do)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatalf("%d bytes, %q: %v; %s", size, do, err, s.place.taken())
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || !bytes.Equal(got, body) {
				t.Errorf("%q: %d bytes came back, want %d: %v; %s", do, len(got), size, err, s.place.taken())
			}
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestFilteredCrossing: answers of many requests at a time, with questions and children, are those of their requests.
func TestFilteredCrossing(t *testing.T) {
	s := newStand(t, false, nil, testext.Fixture(t, "filter_trace"), testext.Fixture(t, "filter_noop"))
	s.place.answer = func(w http.ResponseWriter, r *http.Request, rt *executor.Route) executor.Result {
		user := ""
		if rt.User != nil {
			user = rt.User.Name
		}
		fmt.Fprintf(w, "%s for %s", r.URL.Path, user)
		return executor.Result{}
	}
	s.place.users = map[string]string{}
	for n := range 8 {
		s.place.users[fmt.Sprint("user", n)] = fmt.Sprint("word", n)
	}
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			c := connection(t)
			for i := range 50 {
				do := fmt.Sprintf("PREPROC_HEADERS=set:url|/to/%d/%d; AUTHENTICATION=user:user%d|word%d", n, i, n, n)
				want := fmt.Sprintf("200 /to/%d/%d for user%d", n, i, n)
				if got := s.get(c, "/from", "X-Do: "+do); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
	all.Wait()
}
