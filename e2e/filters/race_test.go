//go:build race

package filters

// racing says that the race detector runs, which takes memory of its own for whatever is done.
const racing = true
