//go:build !windows

package files

import "os"

func mkdirTemp(dir, pattern string) (string, error) { return os.MkdirTemp(dir, pattern) }

func mkdirAll(path string) error { return os.MkdirAll(path, 0o700) }

func remove(path string) error { return os.Remove(path) }

func removeAll(path string) error { return os.RemoveAll(path) }

func removeAllWait(path string) error { return os.RemoveAll(path) }

func openFile(path string, flag int, perm os.FileMode) (*os.File, error) {
	return os.OpenFile(path, flag, perm)
}

func truncate(f *os.File, _ string, size int64) error { return f.Truncate(size) }

func rename(from, to string) error { return os.Rename(from, to) }
