// Package metrics has tests of what a real isapid tells other programs: a real Prometheus, which scrapes it and is asked what it knows, and a
// collector of spans.
package metrics
