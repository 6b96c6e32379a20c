package image

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/isapid/isapid/internal/files"
)

// maxImage is the largest file that is taken for an image, in bytes.
const maxImage = 1 << 30

// Inspect says what the file at path is. A file that is no image at all (text, a script, a directory, nothing) gives an
// Info that says so, and so does a damaged or half-copied one; an error means that the file could not be read. Nothing
// of the file is executed.
func Inspect(path string) (*Info, error) {
	f, st, err := openImage(path)
	if err != nil {
		return nil, fmt.Errorf("inspect %q: %w", path, err)
	}
	defer f.Close()
	i := &Info{Path: path, Kind: KindNone}
	if st.IsDir() {
		i.Format = FormatDirectory
		return i, nil
	}
	i.Size = st.Size()
	if i.SHA256, err = i.digest(f); err != nil {
		return nil, fmt.Errorf("inspect %q: %w", path, err)
	}
	i.parse(f)
	return i, nil
}

// Inspect is [Inspect] for the copy, without reading all of it once more: what only reading all of a file tells (FreePascal, and Go
// for images other than ELF) is not in the answer.
func (s *Staged) Inspect() (*Info, error) {
	f, _, err := openImage(s.Path)
	if err != nil {
		return nil, fmt.Errorf("inspect the copy of %q: %w", s.Source, err)
	}
	defer f.Close()
	i := &Info{Path: s.Path, Kind: KindNone, Size: s.Size, SHA256: s.SHA256}
	i.parse(f)
	return i, nil
}

// openImage opens a directory or a regular file of bearable size; opening never waits for the other end of a pipe.
func openImage(path string) (*os.File, os.FileInfo, error) {
	f, err := files.OpenFile(path, os.O_RDONLY|openNonblock, 0) // whoever replaces it must be able to meanwhile
	if err != nil {
		return nil, nil, bare(err)
	}
	st, err := f.Stat()
	switch {
	case err != nil:
		err = bare(err)
	case st.IsDir():
	case !st.Mode().IsRegular():
		err = errors.New("it is neither a file nor a directory")
	case st.Size() > maxImage:
		err = fmt.Errorf("it has %d bytes, more than the %d an image may have", st.Size(), maxImage)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, st, nil
}

// bare drops what a path error repeats: the operation and the path we have already named.
func bare(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// digest hashes the file and looks for the marks compilers leave on the way.
func (i *Info) digest(f *os.File) (string, error) {
	sum, marks := sha256.New(), &markScanner{}
	n, err := io.Copy(io.MultiWriter(sum, marks), io.NewSectionReader(f, 0, i.Size))
	if err != nil {
		return "", bare(err)
	}
	if n != i.Size {
		return "", fmt.Errorf("the file became shorter while it was read: %d of %d bytes", n, i.Size)
	}
	i.Go, i.FreePascal = marks.golang, marks.freePascal
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// parse recognizes the format and fills i from it.
func (i *Info) parse(r io.ReaderAt) {
	v := &view{r: r, size: uint64(i.Size)}
	head, err := v.at(0, min(v.size, 4096))
	if err != nil {
		i.Format, i.Damaged = FormatUnknown, err.Error()
		return
	}
	i.Format = sniff(head)
	switch i.Format {
	case FormatELF:
		f := &elfFile{view: v}
		f.parse(i)
		if i.Incomplete == "" && i.Damaged == "" {
			i.resolveELF(f)
		}
	case FormatPE:
		f := &peFile{view: v}
		f.parse(i)
		if i.Incomplete == "" && i.Damaged == "" {
			i.resolvePE(f)
		}
	default:
		i.Go, i.FreePascal = false, false
	}
	i.finishExports()
}

// damaged notes the first contradiction in the file.
func (i *Info) damaged(what string, err error) {
	if err != nil && i.Damaged == "" {
		i.Damaged = what + ": " + err.Error()
	}
}

// cut notes the first part that the file should have and has not.
func (i *Info) cut(format string, args ...any) {
	if i.Incomplete == "" {
		i.Incomplete = fmt.Sprintf(format, args...)
	}
}
