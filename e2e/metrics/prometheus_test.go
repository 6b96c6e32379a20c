package metrics

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/testcert"
	"github.com/isapid/isapid/internal/testext"
)

const token = "a-token-for-the-scraper"

const isapidYAML = `
control:
  socket: ctl/control.sock
  listen: %s
  certificate: cert.pem
  key: key.pem
  tokens: [{name: prometheus, file: prometheus.token, role: read}]
crashes: {directory: crashes}
sites:
  - name: shop
    bindings: ["http://127.0.0.1:0"]
    root: www
    applications:
      - path: /
        handlers:
          - {path: /count/*, extension: counter.so}
          - {path: /publish/*, extension: publish.so}
          - {path: /misuse/*, extension: misuse.so}
      - path: /frail
        pool: frail
        handlers:
          - {path: "*", extension: havoc.so}
      - path: /inside
        pool: inside
        handlers:
          - {path: "*", extension: crash.so}
pools:
  default: {checks: on}
  frail: {}
  inside: {mode: in-process}
`

const prometheusYAML = `
global: {scrape_interval: 300ms, scrape_timeout: 300ms, evaluation_interval: 300ms}
rule_files: [isapid.rules.yml]
scrape_configs:
  - job_name: isapid
    scheme: https
    tls_config: {ca_file: cert.pem}
    authorization: {credentials_file: prometheus.token}
    static_configs: [{targets: ["%s"]}]
`

// trusting is a client of servers with a certificate.
func trusting(t *testing.T, c *testcert.Certificate) *http.Client {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.Roots}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

// prometheus is one that runs.
type prometheus struct {
	*served.Process
	url string
}

// query is the value of an expression, if it has one.
func (p *prometheus) query(t *testing.T, expr string) (float64, bool) {
	t.Helper()
	var data struct {
		Result []struct {
			Value [2]any `json:"value"`
		} `json:"result"`
	}
	p.ask(t, "query?query="+url.QueryEscape(expr), &data)
	if len(data.Result) != 1 {
		return 0, false
	}
	text, _ := data.Result[0].Value[1].(string)
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatalf("%s is %q", expr, text)
	}
	return v, true
}

// ask asks the API, which must have an answer.
func (p *prometheus) ask(t *testing.T, what string, data any) {
	t.Helper()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	body := get(t, http.DefaultClient, p.url+"/api/v1/"+what, "")
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		t.Fatalf("%s: %v in %s", what, err, body)
	}
}

func get(t *testing.T, c *http.Client, url, token string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// TestPrometheus: what an isapid tells a Prometheus is what was done to it.
func TestPrometheus(t *testing.T) {
	prom, promtool := need(t, "prometheus"), need(t, "promtool")
	dir := t.TempDir()
	for name, lib := range map[string]string{
		"counter.so": testext.Example(t, "counter"), "havoc.so": testext.Fixture(t, "havoc"), "crash.so": testext.Fixture(t, "crash"),
		"publish.so": testext.Fixture(t, "counter"), "misuse.so": testext.Fixture(t, "misuse_calls"),
	} {
		served.Copy(t, lib, filepath.Join(dir, name))
	}
	served.Write(t, filepath.Join(dir, "www", "page.html"), "<p>page")
	tlsClient := trusting(t, testcert.New(t, dir))
	control := served.Free(t)
	served.Write(t, filepath.Join(dir, "prometheus.token"), token+"\n")
	served.Write(t, filepath.Join(dir, "isapid.yaml"), fmt.Sprintf(isapidYAML, control))
	served.Copy(t, filepath.Join(testext.Root(t), "packaging/prometheus/isapid.rules.yml"), filepath.Join(dir, "isapid.rules.yml"))
	served.Write(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(prometheusYAML, control))

	bin := testext.Program(t, "")
	site := start(t, dir, bin, "serve", "-c", "isapid.yaml", "--json").URLs()[0]
	listen := served.Free(t)
	p := &prometheus{start(t, dir, prom, "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address="+listen,
		"--storage.tsdb.retention.time=1h", "--log.level=warn"), "http://" + listen}
	p.Until("ready", func() bool {
		resp, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	p.Until("scraping", func() bool { v, _ := p.query(t, `up{job="isapid"}`); return v == 1 })

	for range 20 {
		send(t, "GET", site+"/count/guestbook")
	}
	for range 3 {
		send(t, "GET", site+"/missing")
		send(t, "GET", site+"/page.html")
	}
	if status := send(t, "POST", site+"/frail?kill"); status < 500 {
		t.Errorf("a request that kills its worker is answered %d", status)
	}
	if status := send(t, "POST", site+"/inside?segv"); status != 500 {
		t.Errorf("a request that faults is answered %d", status)
	}
	send(t, "GET", site+"/publish/?name=orders&delta=2.5&label=kind&value=large")
	send(t, "GET", site+"/publish/?name=orders&label=kind&value=large")
	send(t, "GET", site+"/publish/?name=orders&label=kind&value=small")
	send(t, "GET", site+"/misuse/?size-null")
	recycle := exec.CommandContext(t.Context(), bin, "recycle", "-c", "isapid.yaml", "default", "--reason", "a test")
	recycle.Dir = dir
	if out, err := recycle.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for range 7 {
		send(t, "GET", site+"/count/guestbook")
	}
	send(t, "GET", site+"/frail")                // the next worker is there
	p.Until("told of the recycle", func() bool { // of several only the last reason is known
		v, _ := p.query(t, `isapid_recycles_total{pool="default",reason="asked"}`)
		return v == 1
	})
	deploy := exec.CommandContext(t.Context(), bin, "deploy", "-c", "isapid.yaml", filepath.Join(dir, "counter.so"), testext.Fixture(t, "hello"))
	deploy.Dir = dir
	if out, err := deploy.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	send(t, "GET", site+"/count/guestbook")

	for expr, want := range map[string]float64{
		`isapid_requests_total{site="shop",application="/",pool="default",image=~".*counter.so",generation="1",status="2xx"}`: 20,
		`isapid_requests_total{site="shop",application="/",pool="default",image=~".*counter.so",generation="2",status="2xx"}`: 7,
		`isapid_requests_total{site="shop",image="",status="4xx"}`:                                                            3,
		`isapid_requests_total{site="shop",image="",status="2xx"}`:                                                            3,
		`isapid_requests_total{pool="frail",status="5xx"}`:                                                                    1,
		`isapid_requests_total{pool="inside",status="5xx"}`:                                                                   1,
		`sum(isapid_requests_total)`:                                                                                          41,
		`sum(isapid_request_duration_seconds_count)`:                                                                          41,
		`sum(isapid_request_duration_seconds_bucket{le="+Inf"})`:                                                              41,
		`sum(isapid_response_sent_bytes_total) > bool 1000`:                                                                   1,
		`isapid_requests_in_flight`:                                                                                           0,
		`isapid_worker_crashes_total{pool="frail",kind="SIGKILL"}`:                                                            1,
		`isapid_requests_lost_total{pool="frail"}`:                                                                            1,
		`isapid_faults_total{pool=""}`:                                                                                        1,
		`isapid_recycles_total{pool="default",reason="asked"}`:                                                                1,
		`isapid_pool_generation{pool="default"}`:                                                                              3,
		`isapid_pool_state{pool="default",state="running"}`:                                                                   1,
		`isapid_pool_workers{pool="frail",state="ready"}`:                                                                     1,
		`isapid_worker_starts_total{pool="frail"}`:                                                                            2,
		`count(isapid_worker_resident_memory_bytes > 1e6) >= bool 2`:                                                          1, // and the one of the version before
		`count(isapid_worker_threads > 0) >= bool 2`:                                                                          1, // and the one of the version before
		`count(isapid_worker_cpu_seconds_total > 0) >= bool 2`:                                                                1, // and the one of the version before
		`isapid_api_calls_total{pool="default",function="HttpExtensionProc"}`:                                                 32,
		`isapid_api_calls_total{pool="default",function="WriteClient"} >= bool 27`:                                            1,
		`count(isapid_image_info{image=~".*counter.so"})`:                                                                     1,
		`isapid_ext_orders_total{pool="default",image=~".*publish.so",kind="large"}`:                                          3.5,
		`isapid_ext_orders_total{pool="default",image=~".*publish.so",kind="small"}`:                                          1,
		`isapid_misuse_total{image=~".*misuse.so",kind="wrong_size"}`:                                                         1,
		`isapid_swaps_total{image=~".*counter.so",result="committed"}`:                                                        1,
		`isapid_recycles_total{pool="default",reason="swap"}`:                                                                 1,
		`sum(isapid_requests_total{image=~".*counter.so",generation="3"})`:                                                    1,
		`isapid_in_process_info{pool="inside",image=~".*crash.so",generation="1"}`:                                            1,
		`isapid_in_process_faults_total{pool="inside"}`:                                                                       1,
		`isapid_config_reload_successful`:                                                                                     1,
		`isapid_access_log_lost_lines_total`:                                                                                  0,
		`count(isapid_build_info)`:                                                                                            1,
		`count(go_goroutines{job="isapid"})`:                                                                                  1,
	} {
		var got float64
		var there bool
		for range 100 {
			if got, there = p.query(t, expr); there && got == want {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if !there || got != want {
			t.Errorf("%s is %v (%v), want %v", expr, got, there, want)
		}
	}
	p.board(t)
	p.rules(t)

	text := get(t, tlsClient, "https://"+control+"/metrics", token)
	lint := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	lint.Stdin = bytes.NewReader(text)
	if out, err := lint.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s\n%s", err, out, text)
	}
	if answer := get(t, tlsClient, "https://"+control+"/metrics", ""); bytes.Contains(answer, []byte("isapid_requests_total")) {
		t.Error("metrics are told to those without a token")
	}
}

// board: every query of the board for Grafana can be answered.
func (p *prometheus) board(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testext.Root(t), "packaging/grafana/isapid.json"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, q := range regexp.MustCompile(`"expr": ("(?:[^"\\]|\\.)*")`).FindAllSubmatch(b, -1) {
		var expr string
		if err := json.Unmarshal(q[1], &expr); err != nil {
			t.Fatal(err)
		}
		expr = regexp.MustCompile(`\$(job|instance|site|pool)\b`).ReplaceAllString(expr, ".*")
		expr = strings.ReplaceAll(expr, "$__rate_interval", "1m")
		var data any
		p.ask(t, "query?query="+url.QueryEscape(expr), &data)
		n++
	}
	if n < 30 {
		t.Errorf("the board has %d queries", n)
	}
}

// rules: the alerts are all understood, and that of the crash fires.
func (p *prometheus) rules(t *testing.T) {
	t.Helper()
	p.Until("evaluating all alerts", func() bool {
		var data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError, State string }
			}
		}
		p.ask(t, "rules", &data)
		states := map[string]string{}
		for _, g := range data.Groups {
			for _, r := range g.Rules {
				if r.Health == "err" {
					t.Fatalf("%s: %s", r.Name, r.LastError)
				}
				if r.Health == "ok" {
					states[r.Name] = r.State
				}
			}
		}
		return len(states) >= 13
	})
}
