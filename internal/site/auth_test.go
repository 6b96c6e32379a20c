package site

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
)

// secret is a published test vector of bcrypt, cheap to check: it is the hash of "U*U".
const secret = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"

func basicHeader(name, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

const basicApps = `
applications:
  - path: /
    handlers: [{path: "*.dll", isapi: true}]
  - path: /staff
    handlers: [{path: "*.dll", isapi: true}]
    authentication: {anonymous: false, basic: {realm: "the staff", users: users}}
  - path: /maybe
    handlers: [{path: "*.dll", isapi: true}]
    authentication: {basic: {realm: maybe, users: users}}
  - path: /boss
    handlers: [{path: "*.dll", isapi: true}]
    authentication: {anonymous: false, basic: {realm: boss, users: bosses.txt}}
`

func startBasic(t *testing.T) *fixture {
	t.Helper()
	f := start(t, []string{
		"../users=joe:" + secret + "\nann:" + secret + "\nzoë:" + secret, "../bosses.txt=max:" + secret + "\nann:" + secret, "x.dll", "page.html",
		"staff/x.dll", "staff/page.html", "staff/index.html", "maybe/x.dll", "maybe/page.html", "boss/x.dll", "boss/page.html",
	}, basicApps)
	f.run = func(w http.ResponseWriter, _ *http.Request, t *executor.Target) { io.WriteString(w, userOf(t)) }
	return f
}

func userOf(t *executor.Target) string {
	if t.User == nil {
		return "nobody"
	}
	return fmt.Sprintf("%+v", *t.User)
}

const (
	isNobody = "nobody"
	isJoe    = "{Name:joe Unmapped: Password:U*U Type:Basic}"
)

func TestBasic(t *testing.T) {
	f := startBasic(t)
	joe := basicHeader("joe", "U*U")
	text := strings.TrimPrefix(joe, "Authorization: Basic ")
	for _, tt := range []struct {
		target string
		header []string
		code   string
		body   string // "": whatever it is
	}{
		{"/x.dll", nil, "200", isNobody},
		{"/x.dll", []string{joe}, "200", isNobody}, // nobody is asked there, so nobody is believed
		{"/staff/x.dll", nil, "401.2", ""},
		{"/staff/x.dll", []string{joe}, "200", isJoe},
		{"/staff/x.dll", []string{"Authorization: bAsIc  " + text + " "}, "200", isJoe},
		{"/staff/x.dll", []string{basicHeader("zoë", "U*U")}, "200", "{Name:zoë Unmapped: Password:U*U Type:Basic}"},
		{"/staff/x.dll", []string{basicHeader("joe", "U*V")}, "401.1", ""},
		{"/staff/x.dll", []string{basicHeader("joe", "")}, "401.1", ""},
		{"/staff/x.dll", []string{basicHeader("max", "U*U")}, "401.1", ""}, // of another file
		{"/staff/x.dll", []string{basicHeader("", "U*U")}, "401.1", ""},
		{"/staff/x.dll", []string{basicHeader("", "")}, "401.2", ""}, // that is nobody
		{"/staff/x.dll", []string{"Authorization: Basic"}, "401.1", ""},
		{"/staff/x.dll", []string{"Authorization: Basic !!!"}, "401.1", ""},
		{"/staff/x.dll", []string{"Authorization: Basic am9l"}, "401.1", ""},
		{"/staff/x.dll", []string{"Authorization: Bearer " + text}, "401.2", ""},
		{"/staff/x.dll", []string{joe, joe}, "401.1", ""},
		{"/staff/page.html", nil, "401.2", ""},
		{"/staff/page.html", []string{joe}, "200", "staff/page.html"},
		{"/staff/", []string{joe}, "200", "staff/index.html"},
		{"/staff/", nil, "401.2", ""},
		{"/staff", nil, "401.2", ""},
		{"/staff/none.html", nil, "401.2", ""},
		{"/staff/none.html", []string{joe}, "404", ""},
		{"/staff/.git", nil, "404.9", ""},
		{"/maybe/x.dll", nil, "200", isNobody},
		{"/maybe/x.dll", []string{joe}, "200", isJoe},
		{"/maybe/x.dll", []string{basicHeader("joe", "no")}, "401.1", ""},
		{"/maybe/x.dll", []string{"Authorization: Bearer x"}, "200", isNobody},
		{"/maybe/page.html", nil, "200", "maybe/page.html"},
		{"/boss/x.dll", []string{joe}, "401.1", ""},
		{"/boss/page.html", []string{basicHeader("max", "U*U")}, "200", "boss/page.html"},
	} {
		resp := f.get(tt.target, tt.header...)
		if resp.code() != tt.code || tt.body != "" && resp.body != tt.body {
			t.Errorf("GET %s %v: got %s %.60q, want %s %q", tt.target, tt.header, resp.code(), resp.body, tt.code, tt.body)
		}
		want := ""
		if resp.StatusCode == 401 {
			realm := map[byte]string{'s': "the staff", 'm': "maybe", 'b': "boss"}[tt.target[1]]
			want = `Basic realm="` + realm + `", charset="UTF-8"`
		}
		if got := resp.Header.Get("WWW-Authenticate"); got != want {
			t.Errorf("GET %s %v: WWW-Authenticate is %q, want %q", tt.target, tt.header, got, want)
		}
	}
	if resp := f.raw("HEAD", "/staff/page.html"); resp.StatusCode != 401 || resp.body != "" {
		t.Errorf("HEAD: got %s %q", resp.Status, resp.body)
	}
	if resp := f.raw("OPTIONS", "*"); resp.StatusCode != 200 {
		t.Errorf("OPTIONS *: got %s", resp.Status)
	}
	if log := f.log.String(); strings.Contains(log, "U*U") || strings.Contains(log, secret) {
		t.Errorf("the log tells:\n%s", log)
	}
}

// A 401 that an extension makes itself asks for a password, too.
func TestChallengeForOthers(t *testing.T) {
	f := startBasic(t)
	f.run = func(w http.ResponseWriter, r *http.Request, target *executor.Target) {
		switch r.URL.RawQuery {
		case "own":
			w.Header().Set("WWW-Authenticate", "Negotiate")
			w.WriteHeader(401)
		case "page":
			target.Host.Error(w, r, 401, 3)
		case "bytes":
			w.Header().Set("Content-Length", "5")
			io.Copy(w, strings.NewReader("12345"))
			must(t, http.NewResponseController(w).Flush())
		default:
			w.WriteHeader(401)
		}
	}
	joe := basicHeader("joe", "U*U")
	for target, want := range map[string]string{
		"/maybe/x.dll":      `Basic realm="maybe", charset="UTF-8"`,
		"/maybe/x.dll?page": `Basic realm="maybe", charset="UTF-8"`,
		"/maybe/x.dll?own":  "Negotiate",
		"/x.dll":            "",
		"/x.dll?page":       "",
	} {
		resp := f.get(target, joe)
		if got := strings.Join(resp.Header["Www-Authenticate"], "|"); resp.StatusCode != 401 || got != want {
			t.Errorf("GET %s: got %s with WWW-Authenticate %q, want 401 with %q", target, resp.Status, got, want)
		}
	}
	if resp := f.get("/maybe/x.dll?bytes"); resp.body != "12345" {
		t.Errorf("other responses: got %s %q", resp.Status, resp.body)
	}
}

// The page of a 401 is for everybody, also where it is a URL of what nobody may see.
func TestErrorPageOf401(t *testing.T) {
	f := start(t, []string{"../users=joe:" + secret, "staff/x.dll", "page.html", "staff/in.html"}, `
error_pages: {401.1: www/page.html, 401.2: {path: /staff/in.html, mode: url}}
applications:
  - path: /staff
    handlers: [{path: "*.dll", isapi: true}]
    authentication: {anonymous: false, basic: {realm: a, users: users}}
`)
	for _, tt := range []struct{ header, body string }{{"X: y", "staff/in.html"}, {basicHeader("joe", "no"), "page.html"}} {
		resp := f.get("/staff/x.dll", tt.header)
		if resp.StatusCode != 401 || resp.body != tt.body || resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: got %s %q, WWW-Authenticate %q, want %q", tt.header, resp.Status, resp.body, resp.Header.Get("WWW-Authenticate"), tt.body)
		}
	}
}

// A child has the user of its parent where that is known there, and has to be let in elsewhere.
func TestChildrenHaveTheUser(t *testing.T) {
	f := startBasic(t)
	f.run = func(w http.ResponseWriter, r *http.Request, target *executor.Target) {
		if r.URL.RawQuery == "" {
			io.WriteString(w, userOf(target))
			return
		}
		child := r.Clone(r.Context())
		child.URL, child.RequestURI = mustURL(t, r.URL.RawQuery), r.URL.RawQuery
		if !strings.HasPrefix(r.URL.RawQuery, "/boss") {
			child.Header.Del("Authorization") // it has been asked
		}
		target.Host.Exec(w, child, false)
	}
	joe, ann := basicHeader("joe", "U*U"), basicHeader("ann", "U*U")
	for _, tt := range []struct{ target, header, code, body string }{
		{"/staff/x.dll?/staff/x.dll", joe, "200", isJoe},
		{"/staff/x.dll?/maybe/x.dll", joe, "200", isJoe}, // the same password file
		{"/maybe/x.dll?/staff/page.html", joe, "200", "staff/page.html"},
		{"/maybe/x.dll?/staff/page.html", "X: y", "401.2", ""}, // nobody has been asked
		{"/x.dll?/staff/page.html", "X: y", "401.2", ""},
		{"/staff/x.dll?/boss/x.dll", joe, "401.1", ""}, // another password file
		{"/staff/x.dll?/boss/page.html", ann, "200", "boss/page.html"},
		{"/staff/x.dll?/page.html", joe, "200", "page.html"},
	} {
		if resp := f.get(tt.target, tt.header); resp.code() != tt.code || tt.body != "" && resp.body != tt.body {
			t.Errorf("GET %s: got %s %.60q, want %s %q", tt.target, resp.code(), resp.body, tt.code, tt.body)
		}
	}
}

func TestUsersChange(t *testing.T) {
	f := startBasic(t)
	joe := basicHeader("joe", "U*U")
	if resp := f.get("/staff/page.html", joe); resp.StatusCode != 200 {
		t.Fatalf("at first: %s", resp.Status)
	}
	users := filepath.Join(filepath.Dir(f.dir), "users")
	must(t, os.WriteFile(users+".new", []byte("ann:"+secret+"\n"), 0o600))
	must(t, os.Rename(users+".new", users))
	for deadline := time.Now().Add(time.Minute); f.get("/staff/page.html", joe).StatusCode != 401; {
		if time.Now().After(deadline) {
			t.Fatal("who was taken out still comes in")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if resp := f.get("/staff/page.html", basicHeader("ann", "U*U")); resp.StatusCode != 200 {
		t.Errorf("who is in the new file: %s", resp.Status)
	}
}

// Password files are not sent, whatever name leads to them, also when another file has taken their place.
func TestUsersAreNotServed(t *testing.T) {
	f := start(t, []string{"users.txt=joe:" + secret, "soft.txt>users.txt", "page.txt"}, `
applications:
  - path: /staff
    authentication: {basic: {realm: a, users: www/users.txt}}
`)
	hard := filepath.Join(f.dir, "hard.txt")
	must(t, os.Link(filepath.Join(f.dir, "users.txt"), hard))
	check := func(step string) {
		t.Helper()
		for _, target := range []string{"/users.txt", "/soft.txt", "/hard.txt"} {
			if resp := f.get(target); resp.StatusCode != 404 || strings.Contains(resp.body, "joe") {
				t.Errorf("%s: GET %s: got %s %q", step, target, resp.Status, resp.body)
			}
		}
	}
	check("at first")
	must(t, os.Remove(hard))
	must(t, os.WriteFile(filepath.Join(f.dir, "new.txt"), []byte("joe:"+secret), 0o600))
	must(t, os.Rename(filepath.Join(f.dir, "new.txt"), filepath.Join(f.dir, "users.txt")))
	must(t, os.Link(filepath.Join(f.dir, "users.txt"), hard))
	check("renamed")
	if resp := f.get("/page.txt"); resp.body != "page.txt" {
		t.Errorf("another file: got %s %q", resp.Status, resp.body)
	}
}

func TestUsersAreReadAtTheStart(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "users"), []byte("joe:U*U\n"), 0o600))
	c := config.Default()
	s := config.DefaultSite("a", dir)
	s.Applications[0].Authentication.Basic = &config.Basic{Realm: "a", Users: filepath.Join(dir, "users")}
	_, err := New(c, &s, (&fixture{}).open, nil, nil)
	if err == nil || !strings.Contains(err.Error(), `application "/" of site "a": password file`) || !strings.Contains(err.Error(), "line 1 has a password in clear text") {
		t.Errorf("got %v", err)
	}
	if err != nil && strings.Contains(err.Error(), "U*U") {
		t.Errorf("the error tells the password: %v", err)
	}
}
