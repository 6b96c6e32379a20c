// Package sdk holds what authors compile extensions and filters against: headers for C (folder c) and C++ (cpp), units for Free
// Pascal (pascal). They are part of the binary, so that it can compile a source on a machine that has nothing of ours
// but the binary. The package for extensions in Go is sdk/go.
package sdk

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed c/*.h c/alias/*.h c/win/*.h cpp/*.hpp pascal/*.pas pascal/*.inc
var files embed.FS

// FS is the SDK: folders c, cpp and pascal.
func FS() fs.FS { return files }

// Extract writes the SDK below dir, which is made if it does not exist. Files that are there already are replaced.
func Extract(dir string) error {
	return fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if entry.IsDir() {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = extract(name, path)
		}
		if err != nil {
			return fmt.Errorf("extract the SDK's %q: %w", name, err)
		}
		return nil
	})
}

func extract(name, path string) error {
	data, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
