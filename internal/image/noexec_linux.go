package image

import "syscall"

// noexec tells whether the file system of dir refuses to map code (mount option noexec).
func noexec(dir string) bool {
	var st syscall.Statfs_t
	return syscall.Statfs(dir, &st) == nil && st.Flags&syscall.MS_NOEXEC != 0
}
