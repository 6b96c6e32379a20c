package spans

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/isapid/isapid/internal/executor"
)

// exporter sends spans to a collector: OTLP over HTTP with a body of JSON.
type exporter struct {
	url     string
	headers map[string]string
	client  *http.Client
}

func newExporter(s Settings) *exporter {
	return &exporter{
		url: s.Collector + "/v1/traces", headers: s.Headers,
		client: &http.Client{
			Timeout:       10 * time.Second,
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the headers are for the collector
		},
	}
}

// close ends what connections are there.
func (e *exporter) close() { e.client.CloseIdleConnections() }

// laterError is a failure that may be over later.
type laterError struct {
	error
	after time.Duration // not before; 0: whenever
}

// Unwrap is the failure.
func (e *laterError) Unwrap() error { return e.error }

// send sends spans and says how many of them the collector did not take. An error is that of all; if it is a [laterError] they may be sent
// again.
func (e *exporter) send(ctx context.Context, list []sdk.ReadOnlySpan) (bad int, err error) {
	body, err := json.Marshal(export(list))
	if err != nil {
		return 0, fmt.Errorf("spans cannot be written: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	for k, v := range e.headers {
		req.Header.Set(k, v)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", executor.Software)
	resp, err := e.client.Do(req)
	if err != nil {
		return 0, &laterError{err, 0}
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	switch {
	case resp.StatusCode/100 == 2 && err != nil:
		return 0, nil // it has them
	case resp.StatusCode/100 == 2:
		return rejected(answer, len(list)), nil
	}
	err = fmt.Errorf("the collector answered %s", resp.Status)
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return 0, &laterError{err, time.Duration(max(0, min(seconds, 3600))) * time.Second}
	}
	return 0, err
}

// rejected is how many spans of those sent an answer says were not taken.
func rejected(answer []byte, of int) int {
	var a struct {
		PartialSuccess struct {
			RejectedSpans json.RawMessage `json:"rejectedSpans"` // a number, or a text with one
		} `json:"partialSuccess"`
	}
	if json.Unmarshal(answer, &a) != nil {
		return 0
	}
	n, _ := strconv.Atoi(string(bytes.Trim(a.PartialSuccess.RejectedSpans, `"`)))
	return max(0, min(n, of))
}
