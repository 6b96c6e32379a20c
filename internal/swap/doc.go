// Package swap replaces images under load: it takes a candidate through stage, load, probe, canary, commit and watch window, and takes a
// bad one back.
package swap
