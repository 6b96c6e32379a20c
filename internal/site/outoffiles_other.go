//go:build !unix

package site

// outOfFiles says whether the process or the system has no descriptor left; only Unix has such a limit.
func outOfFiles(error) bool { return false }
