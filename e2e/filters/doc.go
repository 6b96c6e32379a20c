// Package filters has no code but its tests: the conformance suite of filters. Each runs against a whole server, with real filters compiled
// from testdata/ext and examples, in both modes of a pool, and many as DLLs in workers under Wine. What it shows is listed in docs/conformance.md.
package filters
