// Archive packs a folder: go run ./hack/archive OUT DIR, where OUT ends in .tar.gz or .zip. The same files give the same bytes, whoever packs them
// where and when: names are sorted, owners are nobody in particular, and all times are that of SOURCE_DATE_EPOCH (seconds since 1970).
package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: archive OUT.tar.gz|OUT.zip DIR")
		os.Exit(2)
	}
	if err := pack(os.Args[1], os.Args[2], os.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		fmt.Fprintf(os.Stderr, "archive: %v\n", err)
		os.Exit(1)
	}
}

// pack writes the archive out of all files in dir; their names begin with that of dir. What is half-written when something fails is removed.
func pack(out, dir, epoch string) (err error) {
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	when := time.Unix(seconds, 0).UTC()
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			os.Remove(out)
		}
	}()
	switch {
	case strings.HasSuffix(out, ".tar.gz"):
		return packTar(f, dir, when)
	case strings.HasSuffix(out, ".zip"):
		return packZip(f, dir, when)
	}
	return fmt.Errorf("%s: neither .tar.gz nor .zip", out)
}

// each calls do for every file in dir, sorted, with its name in the archive.
func each(dir string, do func(name string, st fs.FileInfo, f io.Reader) error) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		if !st.Mode().IsRegular() {
			return fmt.Errorf("%s is no file", path)
		}
		name, err := filepath.Rel(filepath.Dir(dir), path)
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return do(filepath.ToSlash(name), st, f)
	})
}

// mode is that of a file in an archive: who unpacks it may run it or not, and nothing else counts.
func mode(st fs.FileInfo) fs.FileMode {
	if st.Mode()&0o100 != 0 {
		return 0o755
	}
	return 0o644
}

func packTar(out io.Writer, dir string, when time.Time) error {
	z, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	err = each(dir, func(name string, st fs.FileInfo, f io.Reader) error {
		h := &tar.Header{Name: name, Mode: int64(mode(st)), Size: st.Size(), ModTime: when, Uname: "root", Gname: "root", Format: tar.FormatUSTAR}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		_, err := io.Copy(t, f)
		return err
	})
	if err != nil {
		return err
	}
	if err := t.Close(); err != nil {
		return err
	}
	return z.Close()
}

func packZip(out io.Writer, dir string, when time.Time) error {
	z := zip.NewWriter(out)
	err := each(dir, func(name string, st fs.FileInfo, f io.Reader) error {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: when}
		h.SetMode(mode(st))
		w, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, f)
		return err
	})
	if err != nil {
		return err
	}
	return z.Close()
}
