package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Checks says how much the calls of extensions and filters are looked at for what they must not do.
type Checks string

// How much is looked at.
const (
	ChecksOff     Checks = "off"     // not at all
	ChecksSampled Checks = "sampled" // what costs nothing always, the rest with one of 100 requests
	ChecksOn      Checks = "on"      // everything always
)

// CrashFiles says where a file is left for each death of a worker and each contained fault.
type CrashFiles struct {
	Directory string // "": see [Config.CrashDirectory]
	Keep      int    // files, 0 to 10000; the oldest is removed for the next. 0: none are written
}

// CrashDirectory is the folder for files about crashes: that of the configuration; or "crashes" in the folder that the service manager has
// given the server for what it keeps ($STATE_DIRECTORY); or "crashes" beside the control socket, on Windows in isapid below the user's local
// data. "" if no such files are wanted, or there is no such folder.
func (c *Config) CrashDirectory() string {
	state, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), string(os.PathListSeparator)) // of several folders the first
	switch {
	case c.Crashes.Keep == 0:
		return ""
	case c.Crashes.Directory != "":
		return c.Crashes.Directory
	case filepath.IsAbs(state):
		return filepath.Join(state, "crashes")
	}
	if kept := keptFiles(&c.Control); kept != "" {
		return filepath.Join(kept, "crashes")
	}
	return ""
}

// Tracing says where spans of requests are sent (OpenTelemetry).
type Tracing struct {
	OTLP        string            // URL of a collector that takes OTLP over HTTP, without "/v1/traces"; "": no spans
	Sample      float64           // share of the requests without a trace context of their own, 0 to 1
	Headers     map[string]string // of the requests to the collector
	ServiceName string            // service.name
}

// Metrics says how metrics are counted.
type Metrics struct {
	Histogram []time.Duration // upper bounds of the buckets of times, ascending
}

func (v value) crashFiles(c *CrashFiles) {
	v.object("crashes", fields{
		"directory": func(v value) { v.path(&c.Directory) },
		"keep":      func(v value) { v.number(&c.Keep, 0, 10_000) },
	})
}

func (v value) tracing(t *Tracing) {
	v.object("tracing", fields{
		"otlp":         func(v value) { v.collector(&t.OTLP) },
		"sample":       func(v value) { v.share(&t.Sample) },
		"headers":      func(v value) { v.headers(t.Headers) },
		"service_name": func(v value) { v.text(&t.ServiceName) },
	})
	if _, given := v.d.at[&t.OTLP]; given {
		return
	}
	for _, field := range []any{&t.Sample, &t.ServiceName} {
		if _, given := v.d.at[field]; given {
			v.d.errorOn(field, "there is nowhere to send spans to", `add a line like "otlp: http://127.0.0.1:4318"`)
			return
		}
	}
}

// collector takes the URL of an OTLP collector.
func (v value) collector(field *string) {
	if !v.text(field) {
		return
	}
	u, err := url.Parse(*field)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		v.fail(fmt.Sprintf("%q is %q, which is not the URL of a collector", v.key, *field), `write it like "http://127.0.0.1:4318"; credentials go into "headers"`)
		return
	}
	*field = strings.TrimRight(*field, "/")
}

var shareText = regexp.MustCompile(`^(0|1|[01]?\.[0-9]{1,9})$`)

// share takes a number from 0 to 1.
func (v value) share(field *float64) {
	s, _ := scalar(v.node)
	n, err := strconv.ParseFloat(s, 64)
	if _, text := v.node.(*ast.StringNode); text || !shareText.MatchString(s) || err != nil || n > 1 {
		v.fail(fmt.Sprintf("%q must be a number from 0 to 1, not %s", v.key, describe(v.node)), "write it like 1, 0.25 or 0.001")
		return
	}
	*field = n
	v.set(field)
}

var (
	headerName  = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
	headerValue = regexp.MustCompile(`^[\t\x20-\x7e]+$`)
)

func (v value) headers(table map[string]string) {
	v.entries("headers", func(name string, at position, item value) {
		if !headerName.MatchString(name) {
			v.d.errorAt(at, fmt.Sprintf("%q is not the name of a header", name), `write it like "Authorization"`)
			return
		}
		var s string
		if !item.text(&s) {
			return
		}
		if !headerValue.MatchString(s) {
			item.fail(fmt.Sprintf("the header %q holds a character that cannot stand there", name), "use letters, digits and signs of ASCII")
			return
		}
		table[name] = s
	})
}

// maxBuckets bounds what each series costs.
const maxBuckets = 50

func (v value) metrics(m *Metrics) {
	v.object("metrics", fields{
		"histogram": func(v value) { v.buckets(&m.Histogram) },
	})
}

// buckets takes a list of times, each longer than the one before.
func (v value) buckets(field *[]time.Duration) {
	items := v.list("times")
	before := len(v.d.errs)
	list := make([]time.Duration, len(items))
	for i, item := range items {
		item.durationFrom(&list[i], 10*time.Microsecond, time.Hour)
		if i > 0 && len(v.d.errs) == before && list[i] <= list[i-1] {
			item.fail(fmt.Sprintf("%q has %s after %s", v.key, list[i], list[i-1]), "write each bound longer than the one before")
		}
	}
	if len(items) == 0 || len(items) > maxBuckets {
		v.fail(fmt.Sprintf("%q has %d bounds", v.key, len(items)), fmt.Sprintf("allowed: 1 to %d", maxBuckets))
		return
	}
	*field = list
}
