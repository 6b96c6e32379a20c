//go:build !windows

package variables

// unlimited is path: only Windows has another form of long ones.
func unlimited(path string) string { return path }
