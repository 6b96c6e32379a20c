//go:build !race

package filters

const racing = false
