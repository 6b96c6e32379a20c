package logs

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/testcert"
)

const sites = `
log: {access: {%s}}
control: {socket: ./control.sock}
sites:
  - name: one
    root: ./root
    bindings: ["http://127.0.0.1:0"]
    filters: [./filter.so]
    applications: [{path: /, handlers: [{path: /echo/*, extension: ./echo.so}]}]
  - name: two
    id: 7
    root: ./root
    bindings: ["https://127.0.0.2:0"]
    certificate: cert.pem
    key: key.pem
    applications: [{path: /, pool: fast, handlers: [{path: /echo/*, extension: ./echo.so}]}]
  - name: quiet
    root: ./root
    bindings: ["http://127.0.0.3:0"]
    log: {access: false}
  - name: named
    root: ./root
    bindings: ["http://named.example:0"]
pools: {fast: {mode: in-process}}
`

// traffic is what the tests send: 21 requests to the first site, 7 to the second, and 3 that nobody logs.
func traffic(t *testing.T, s *server) {
	t.Helper()
	c := client(t)
	one, two, quiet := s.urls[0], s.urls[1], s.urls[2]
	for range 6 {
		send(t, c, 200, "GET", one+"/echo/a?q=%20x", "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "Referer: http://ref.example/a b")
	}
	for range 5 {
		send(t, c, 200, "GET", one+"/page.txt")
	}
	for range 3 {
		send(t, c, 404, "GET", one+"/missing")
	}
	for range 2 {
		send(t, c, 200, "HEAD", one+"/page.txt")
	}
	send(t, c, 200, "GET", one+"/gr%C3%B6%C3%9Fe%201.txt")
	for range 4 {
		send(t, c, 200, "GET", one+"/page.txt?x=1", "X-Do: LOG=log:target|/by a filter;LOG=log:user|eve;LOG=log:parameters|p=1;LOG=log:host|192.0.2.77;LOG=log:operation|REPORT")
	}
	for range 5 {
		if resp := send(t, c, 200, "POST", two+"/echo/b"); resp.ProtoMajor != 2 {
			t.Errorf("answered by %s", resp.Proto)
		}
	}
	send(t, c, 404, "GET", two+"/missing?a=b")
	send(t, c, 200, "GET", two+"/page.txt")
	for range 3 {
		send(t, c, 200, "GET", quiet+"/page.txt")
	}
}

func TestW3C(t *testing.T) {
	s := newServer(t)
	testcert.New(t, s.dir)
	s.write("isapid.yaml", fmt.Sprintf(sites, "directory: ./logs"))
	s.start("serve")
	traffic(t, s)
	_, other, _ := net.SplitHostPort(strings.TrimPrefix(s.urls[3], "http://"))
	send(t, client(t), 404, "GET", "http://127.0.0.1:"+other+"/nobody")
	s.End()

	one := s.find("logs/W3SVC1/u_ex*.log")
	text, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	head := "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken\n"
	if !strings.HasPrefix(string(text), "#Software: isapid/") || !strings.Contains(string(text), "\n#Version: 1.0\n#Date: ") || !strings.Contains(string(text), head) {
		t.Errorf("directives:\n%s", text)
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.urls[0], "http://"))
	agent := "Mozilla/5.0+(X11;+Linux+x86_64)+Firefox/140.0 http://ref.example/a+b"
	has := map[string]int{}
	for _, line := range lines(string(text)) {
		fields := strings.Split(line, " ")
		if len(fields) != 15 {
			t.Errorf("%d fields: %s", len(fields), line)
			continue
		}
		if at, err := time.Parse(time.DateTime, fields[0]+" "+fields[1]); err != nil || time.Since(at) > time.Hour {
			t.Errorf("time of %s: %v", line, err)
		}
		has[strings.Join(fields[2:14], " ")]++
	}
	agent2 := "Go-http-client/1.1 -"
	for line, n := range map[string]int{
		"127.0.0.1 GET /echo/a q=%20x&extra=1+data+1 " + port + " - 127.0.0.1 " + agent + " 200 0 0": 6,
		"127.0.0.1 GET /page.txt - " + port + " - 127.0.0.1 " + agent2 + " 200 0 0":                  5,
		"127.0.0.1 HEAD /page.txt - " + port + " - 127.0.0.1 " + agent2 + " 200 0 0":                 2,
		"127.0.0.1 GET /missing - " + port + " - 127.0.0.1 " + agent2 + " 404 0 2":                   3,
		"127.0.0.1 GET /größe+1.txt - " + port + " - 127.0.0.1 " + agent2 + " 200 0 0":               1,
		"127.0.0.1 REPORT /by+a+filter p=1 " + port + " eve 192.0.2.77 " + agent2 + " 200 0 0":       4,
	} {
		if has[line] != n {
			t.Errorf("%d times %q, want %d", has[line], line, n)
		}
		delete(has, line)
	}
	if len(has) > 0 {
		t.Errorf("further lines: %v", has)
	}
	if text := s.read("logs/HTTPERR/" + filepath.Base(one)); len(lines(text)) != 1 || !strings.Contains(text, " GET /nobody - "+other+" - 127.0.0.1 ") {
		t.Errorf("requests to no site:\n%s", text)
	}
	if files, _ := filepath.Glob(filepath.Join(s.dir, "logs", "W3SVC3", "*")); len(files) > 0 {
		t.Errorf("the quiet site has a log: %q", files)
	}

	check(t, s, one, "W3C", report{total: 21, notFound: 3, codes: map[string]int{"200": 18, "404": 3}, visitors: 2})
	check(t, s, s.find("logs/W3SVC7/u_ex*.log"), "W3C", report{total: 7, notFound: 1, codes: map[string]int{"200": 6, "404": 1}, visitors: 1})
}

// One file for all sites has the site in each line.
func TestCentralW3C(t *testing.T) {
	s := newServer(t)
	testcert.New(t, s.dir)
	s.write("isapid.yaml", fmt.Sprintf(sites, "file: ./a.log, software: Microsoft Internet Information Services 10.0"))
	s.start("serve")
	traffic(t, s)
	s.End()
	text := s.read("a.log")
	if !strings.HasPrefix(text, "#Software: Microsoft Internet Information Services 10.0\n") {
		t.Errorf("directives:\n%s", text)
	}
	if one, two := strings.Count(text, " W3SVC1 127.0.0.1 "), strings.Count(text, " W3SVC7 127.0.0.2 "); one != 21 || two != 7 || len(lines(text)) != 28 {
		t.Errorf("%d lines of the first site, %d of the second:\n%s", one, two, text)
	}
	if strings.Count(text, " POST /echo/b &extra=1+data+1 ") != 5 {
		t.Errorf("log data without a query:\n%s", text)
	}
	// GoAccess has no name for this list of fields, so it is told what they are.
	check(t, s, filepath.Join(s.dir, "a.log"), "%d %t %^ %^ %m %U %q %^ %^ %h %u %R %s %^ %^ %L", report{total: 28, notFound: 4, codes: map[string]int{"200": 24, "404": 4}, visitors: 2})
}

// report is what GoAccess is to find.
type report struct {
	total, notFound int
	codes           map[string]int // hits by status
	visitors        int            // at least
}

// check has GoAccess read a log. It must take every line.
func check(t *testing.T, s *server, file, format string, want report) {
	t.Helper()
	program, err := exec.LookPath("goaccess")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := filepath.Join(s.dir, "report.json")
	cmd := exec.CommandContext(ctx, program, file, "--log-format="+format, "--date-format=%Y-%m-%d", "--time-format=%H:%M:%S", "--no-global-config", "-o", out)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("goaccess: %v\n%s", err, said)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	type hits struct{ Count int }
	type item struct {
		Hits  hits
		Data  string
		Items []item
	}
	var got struct {
		General struct {
			Total   int `json:"total_requests"`
			Valid   int `json:"valid_requests"`
			Failed  int `json:"failed_requests"`
			Unique  int `json:"unique_visitors"`
			Missing int `json:"unique_not_found"`
		}
		Codes struct{ Data []item } `json:"status_codes"`
		Lost  struct{ Data []item } `json:"not_found"`
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	g := got.General
	if g.Total != want.total || g.Valid != want.total || g.Failed != 0 || g.Unique < want.visitors {
		t.Errorf("GoAccess found %+v, want %+v\n%s", g, want, s.read(strings.TrimPrefix(file, s.dir)))
	}
	codes := map[string]int{}
	for _, class := range got.Codes.Data {
		for _, code := range class.Items {
			codes[strings.Fields(code.Data)[0]] += code.Hits.Count
		}
	}
	if fmt.Sprint(codes) != fmt.Sprint(want.codes) {
		t.Errorf("GoAccess counts %v, want %v", codes, want.codes)
	}
	missing := 0
	for _, i := range got.Lost.Data {
		missing += i.Hits.Count
	}
	if missing != want.notFound {
		t.Errorf("GoAccess finds %d missing, want %d", missing, want.notFound)
	}
}
