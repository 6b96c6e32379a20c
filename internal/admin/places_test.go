//go:build linux

package admin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/testcert"
	"github.com/isapid/isapid/internal/testlog"
	"github.com/isapid/isapid/internal/trace"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	readSecret    = "a token to look with"
	controlSecret = "a token to change things with"
)

// overTCP serves f over TCP and returns the URL, a client's target without a token, and the log.
func overTCP(t *testing.T, f *fake) (Target, string, *testlog.Buffer) {
	t.Helper()
	dir := t.TempDir()
	cert := testcert.New(t, dir)
	readFile, controlFile := write(t, dir, "read.token", strings.ReplaceAll(readSecret, " ", "-")+"\nand a remark\n"), write(t, dir, "control.token", " "+strings.ReplaceAll(controlSecret, " ", "-")+" ")
	log := &testlog.Buffer{}
	d, err := Open(Places{
		Socket: filepath.Join(dir, "s", "control.sock"), Listen: "127.0.0.1:0", Certificate: cert.File, Key: cert.Key,
		Tokens: []Token{{"scraper", readFile, RoleRead}, {"ops", controlFile, RoleControl}},
	}, f, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return Target{URL: "https://" + d.Addr().String(), CA: cert.File}, dir, log
}

func connect(t *testing.T, to Target) *Client {
	t.Helper()
	c, err := Connect(to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestRoles: who may what, with real TLS, and what the log says of it.
func TestRoles(t *testing.T) {
	f := &fake{status: everything()}
	to, dir, log := overTCP(t, f)
	ctx := t.Context()
	as := func(file string) *Client {
		token, err := ReadToken(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		with := to
		with.Token = token
		return connect(t, with)
	}
	reader, ops := as("read.token"), as("control.token")

	for name, c := range map[string]*Client{"reader": reader, "ops": ops} {
		if s, err := c.Status(ctx); err != nil || s.Version != "v1.2.3" {
			t.Errorf("%s: status: %v", name, err)
		}
		if _, err := c.Requests(ctx, true); err != nil {
			t.Errorf("%s: requests: %v", name, err)
		}
		if _, err := c.Crashes(ctx); err != nil {
			t.Errorf("%s: crashes: %v", name, err)
		}
		if code, body := get(t, c, pathMetrics); code != 200 || body != "isapid_up 1\n" {
			t.Errorf("%s: metrics: %d %q", name, code, body)
		}
	}
	refused := map[string]func(c *Client) error{
		"recycle": func(c *Client) error { _, err := c.Recycle(ctx, "legacy", ""); return err },
		"stop":    func(c *Client) error { _, err := c.StopPool(ctx, "legacy"); return err },
		"start":   func(c *Client) error { _, err := c.StartPool(ctx, "legacy"); return err },
		"reload":  func(c *Client) error { _, err := c.Reload(ctx); return err },
		"drain":   func(c *Client) error { _, err := c.Drain(ctx); return err },
		"reopen":  func(c *Client) error { return c.Reopen(ctx) },
		"deploy": func(c *Client) error {
			_, err := c.Deploy(ctx, "a", false, strings.NewReader("x"), 1, nil)
			return err
		},
		"rollback": func(c *Client) error { _, err := c.Rollback(ctx, "a", "", false, nil); return err },
		"record":   func(c *Client) error { _, err := c.Record(ctx, RecordRequest{}); return err },
		"secrets":  func(c *Client) error { _, err := c.Snoop(ctx, trace.Filter{Secrets: true}); return err },
		"bodies":   func(c *Client) error { _, err := c.Snoop(ctx, trace.Filter{Body: 1}); return err },
	}
	changes := 0
	for _, r := range routes {
		if r.needs == RoleControl {
			changes++
		}
	}
	if want := changes + 2; len(refused) != want {
		t.Errorf("%d things are tried that change something, there are %d", len(refused), want)
	}
	for name, do := range refused {
		if e, ok := errors.AsType[*Error](do(reader)); !ok || e.Code != http.StatusForbidden || !strings.Contains(e.Message, "the role read is not enough") {
			t.Errorf("reader: %s: %v", name, e)
		}
	}
	if len(f.asked) > 0 {
		t.Errorf("the reader got through with %q", f.asked)
	}
	if _, err := ops.Recycle(ctx, "legacy", "new"); err != nil {
		t.Error(err)
	}
	if _, err := ops.Rollback(ctx, "nobody", "", false, nil); err == nil {
		t.Error("there is no such image")
	}
	ops.Close()
	reader.Close()
	for _, line := range []string{
		`msg="control request" path=/v1/recycle token=ops from=127.0.0.1:`, "pool=legacy", `msg="control request" path=/v1/rollback token=ops from=127.0.0.1:`, `no image`,
		`msg="control request refused" path=/v1/drain token=scraper from=127.0.0.1:`,
	} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("the log has no %q:\n%s", line, log)
		}
	}
	for _, secret := range []string{readSecret, controlSecret} {
		if strings.Contains(log.String(), strings.ReplaceAll(secret, " ", "-")) {
			t.Errorf("a token is in the log:\n%s", log)
		}
	}
}

// get asks as a program would that knows nothing of the client.
func get(t *testing.T, c *Client, path string) (int, string) {
	t.Helper()
	r, err := c.request(t.Context(), "GET", path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestWrongTokens: none, a wrong one, one of before; and a new one in the place of the old.
func TestWrongTokens(t *testing.T) {
	f := &fake{status: everything()}
	to, dir, log := overTCP(t, f)
	good := strings.ReplaceAll(controlSecret, " ", "-")
	for _, token := range []string{"x", good + "x", good[:len(good)-1], strings.ToUpper(good)} {
		to.Token = token
		_, err := connect(t, to).Status(t.Context())
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != http.StatusUnauthorized || e.Message != "the token is not one of this server" {
			t.Errorf("token %q: %v", token, err)
		}
	}
	to.Token = good
	c := connect(t, to)
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
	write(t, dir, "control.token", "another one, which is new"[:15]+"-----")
	if _, err := c.Status(t.Context()); err == nil {
		t.Error("the token of before is good still")
	}
	write(t, dir, "control.token", "another-one-which-is-new")
	to.Token = "another-one-which-is-new"
	if _, err := connect(t, to).Status(t.Context()); err != nil {
		t.Error(err)
	}
	to.Token = ""
	plain := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: rootsIn(t, to.CA)}}}
	defer plain.CloseIdleConnections()
	resp, err := plain.Get(to.URL + pathStatus)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 401 || !strings.Contains(string(body), "no token was shown") {
		t.Errorf("without a token: %s %s", resp.Status, body)
	}
	if want := `msg="control request refused" path=/v1/status token="" from=127.0.0.1:`; !strings.Contains(log.String(), want) {
		t.Errorf("the log has no %q:\n%s", want, log)
	}
}

func rootsIn(t *testing.T, ca string) *x509.CertPool {
	t.Helper()
	data, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(data)
	return p
}

// TestPlainTCP: who speaks no TLS is told so, and nothing else.
func TestPlainTCP(t *testing.T) {
	to, _, _ := overTCP(t, &fake{status: everything()})
	resp, err := http.Get("http" + strings.TrimPrefix(to.URL, "https") + pathStatus)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 400 || !strings.Contains(string(body), "HTTPS server") {
		t.Errorf("got %s %s", resp.Status, body)
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestWrongTargets: what a client cannot use, or does not trust.
func TestWrongTargets(t *testing.T) {
	to, dir, _ := overTCP(t, &fake{status: everything()})
	to.Token = strings.ReplaceAll(readSecret, " ", "-")
	for _, tt := range []struct {
		with func(*Target)
		want string
	}{
		{func(to *Target) { to.URL = "http" + strings.TrimPrefix(to.URL, "https") }, "a token travels with TLS only"},
		{func(to *Target) { to.URL += "/v1/status" }, "is not the URL of a server"},
		{func(to *Target) { to.URL = "https://%" }, "cannot be read"},
		{func(to *Target) { to.Token = "" }, "--token-file"},
		{func(to *Target) { to.CA = filepath.Join(dir, "none.pem") }, "no such file"},
		{func(to *Target) { to.CA = filepath.Join(dir, "read.token") }, "has no certificate in it"},
	} {
		with := to
		tt.with(&with)
		if c, err := Connect(with); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
			if c != nil {
				c.Close()
			}
		}
	}
	with := to
	with.CA = ""
	if _, err := connect(t, with).Status(t.Context()); !isNoServer(err) || !strings.Contains(err.Error(), "--ca FILE") {
		t.Errorf("a certificate nobody trusts: %v", err)
	}
	with = to
	with.URL = strings.Replace(with.URL, "127.0.0.1", "localhost", 1)
	if _, err := connect(t, with).Status(t.Context()); !isNoServer(err) || !strings.Contains(err.Error(), "localhost") {
		t.Errorf("a certificate for another name: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // nobody speaks TLS there
	if err != nil {
		t.Fatal(err)
	}
	site := &http.Server{Handler: http.NotFoundHandler()}
	done := make(chan struct{})
	go func() { defer close(done); site.Serve(l) }()
	defer func() { site.Close(); <-done }()
	with = to
	with.URL = "https://" + l.Addr().String()
	if _, err := connect(t, with).Status(t.Context()); !isNoServer(err) {
		t.Errorf("a server without TLS: %v", err)
	}
}

// TestBadPlaces: what is wrong with the places is said when they are opened, and nothing is left behind.
func TestBadPlaces(t *testing.T) {
	dir := t.TempDir()
	cert := testcert.New(t, dir)
	good := write(t, dir, "good.token", "0123456789abcdef")
	open := write(t, dir, "open.token", "0123456789abcdef")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tt := range []struct {
		with func(*Places)
		want string
	}{
		{func(p *Places) { p.Certificate = "" }, "over TCP there is TLS only"},
		{func(p *Places) { p.Key = "" }, "over TCP there is TLS only"},
		{func(p *Places) { p.Certificate = filepath.Join(dir, "none") }, "no such file"},
		{func(p *Places) { p.Key = good }, "the certificate"},
		{func(p *Places) { p.Tokens = nil }, "nobody could get in"},
		{func(p *Places) { p.Tokens[0].Role = "root" }, `the role of token "t" is "root"`},
		{func(p *Places) { p.Tokens[0].File = filepath.Join(dir, "none") }, "openssl rand"},
		{func(p *Places) { p.Tokens[0].File = open }, "chmod o-rwx"},
		{func(p *Places) { p.Tokens[0].File = write(t, dir, "short", "0123456789abcde\nf") }, "fewer than 16"},
		{func(p *Places) { p.Tokens[0].File = write(t, dir, "bad", "0123456789abcdef\x01") }, "other characters"},
		{func(p *Places) { p.Tokens[0].File = write(t, dir, "long", strings.Repeat("x", 5000)) }, "it is no token"},
		{func(p *Places) { p.Listen = taken.Addr().String() }, "address already in use"},
		{func(p *Places) { p.StatusGroup = "nobody has such a group" }, "control.status_group"},
		{func(p *Places) { p.StatusSocket = filepath.Join(dir, "s", "status.sock") }, "cannot enter the folder"},
	} {
		p := Places{
			Socket: filepath.Join(dir, "s", "control.sock"), StatusSocket: filepath.Join(dir, "r", "status.sock"),
			Listen: "127.0.0.1:0", Certificate: cert.File, Key: cert.Key, Tokens: []Token{{"t", good, RoleRead}},
		}
		tt.with(&p)
		d, err := Open(p, &fake{}, quiet)
		if err == nil {
			d.Close(t.Context())
			t.Errorf("%q: it opens", tt.want)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
		for _, left := range []string{p.Socket, p.StatusSocket} {
			if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%q: %s is left", tt.want, left)
			}
		}
	}
}

// TestStatusSocket: everybody whom the rights let in may look, also the owner, and nobody may change anything.
func TestStatusSocket(t *testing.T) {
	dir := t.TempDir()
	p := Places{StatusSocket: filepath.Join(dir, "run", "status.sock"), StatusGroup: "65534"}
	if os.Geteuid() != 0 {
		p.StatusGroup = "" // only root can give files away
	}
	f := &fake{status: everything()}
	d, err := Open(p, f, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if got := modeOf(t, p.StatusSocket); got != os.ModeSocket|0o660 {
		t.Errorf("mode %v", got)
	}
	if got := modeOf(t, filepath.Dir(p.StatusSocket)); got.Perm() != 0o755 {
		t.Errorf("folder's mode %v", got)
	}
	c := client(t, p.StatusSocket)
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := c.StopPool(t.Context(), "legacy"); err == nil || !strings.Contains(err.Error(), "the role read is not enough") {
		t.Errorf("stop: %v", err)
	}
	c.Close()
	if err := d.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(p.StatusSocket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// TestLent: a socket of another user is trusted if the user has named it and nobody else can have put it there.
func TestLent(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		folder, file os.FileMode
		want         bool
	}{
		{0o755, 0o660, true}, {0o755, 0o666, true}, {0o755, 0o600, false}, {0o777, 0o660, false}, {0o775, 0o660, false},
	} {
		if err := os.Chmod(dir, tt.folder); err != nil {
			t.Fatal(err)
		}
		file := write(t, dir, "s", "")
		if err := os.Chmod(file, tt.file); err != nil {
			t.Fatal(err)
		}
		if got := lentBy(file, os.Geteuid()); got != tt.want {
			t.Errorf("folder %v, file %v: %v", tt.folder, tt.file, got)
		}
	}
	if lentBy(filepath.Join(dir, "s"), os.Geteuid()+1) || lentBy(filepath.Join(dir, "none"), os.Geteuid()) {
		t.Error("what another has, or nobody")
	}
}

// TestSnoopOverTCP: the pieces come one by one through TLS, and the server hears of the client's end.
func TestSnoopOverTCP(t *testing.T) {
	ended := make(chan struct{})
	to, dir, _ := overTCP(t, &fake{snoop: func(ctx context.Context, write func([]byte) error) error {
		defer close(ended)
		write([]byte("one"))
		<-ctx.Done()
		return nil
	}})
	token, err := ReadToken(filepath.Join(dir, "read.token"))
	if err != nil {
		t.Fatal(err)
	}
	to.Token = token
	in, err := connect(t, to).Snoop(t.Context(), trace.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	if n, err := io.ReadFull(in, buf[:3]); err != nil || string(buf[:n]) != "one" {
		t.Errorf("got %q, %v", buf[:n], err)
	}
	in.Close()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the server snoops on")
	}
}
