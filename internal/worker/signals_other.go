//go:build !unix

package worker

// outliveSignals: there are none.
func outliveSignals() {}
