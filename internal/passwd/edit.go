package passwd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/isapid/isapid/internal/files"
)

// Set puts the line of a user into the file at path, in place of the one with the same name if there is one, and makes the file if there is
// none. replaced says that there was one. Other lines stay as they are. The file is replaced as a whole: nobody reads a part of it.
func Set(path, entry string) (replaced bool, err error) {
	name, _, _ := strings.Cut(entry, ":")
	return edit(path, name, entry+"\n")
}

// Remove takes the line of a user out of the file at path.
func Remove(path, name string) error {
	removed, err := edit(path, name, "")
	if err == nil && !removed {
		err = fmt.Errorf("password file %q has no user of that name", path)
	}
	return err
}

// edit replaces the line of name by another, or adds that at the end.
func edit(path, name, line string) (found bool, err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	data, info, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && line != "":
	case err != nil:
		return false, fmt.Errorf("password file %q: %w", path, err)
	}
	if _, err := parse(data); err != nil {
		return false, fmt.Errorf("password file %q: %w", path, err)
	}
	var out bytes.Buffer
	for old := range bytes.Lines(data) {
		if bytes.HasPrefix(old, []byte(name+":")) {
			found = true
			out.WriteString(line)
			continue
		}
		out.Write(old)
	}
	if !found {
		if line == "" {
			return false, nil
		}
		if n := out.Len(); n > 0 && out.Bytes()[n-1] != '\n' {
			out.WriteByte('\n')
		}
		out.WriteString(line)
	}
	return found, replace(path, info, out.Bytes())
}

// replace writes a file anew that has the mode and the owner of the one that info is of, or is only for its owner.
func replace(path string, info fs.FileInfo, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".passwd-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails when all is well: it has another name then
	defer f.Close()
	if info == nil {
		err = keepPrivate(f)
	} else if err = f.Chmod(info.Mode().Perm()); err == nil {
		err = giveTo(f, path, info)
	}
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return files.Rename(f.Name(), path)
}
