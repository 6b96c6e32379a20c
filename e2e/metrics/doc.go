// Package metrics has a test with a real Prometheus, which scrapes a real isapid and is asked what it knows.
package metrics
