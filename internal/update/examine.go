package update

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/isapid/isapid/internal/image"
)

// sighting is a candidate and since when it is unchanged.
type sighting struct {
	stamp  Stamp
	since  time.Time // the last time it was other than now, or open for writing
	busy   time.Time // since when it is open for writing; zero: it is not
	sha256 string
}

const (
	soon  = 20 * time.Millisecond // to the next look at what changes under our eyes
	later = time.Second           // to the next look at what may take long
)

// examine finds out whether a regular file is completely there. If not, it says why and when to look again. If so, it notes the
// hash, or sets c.Refuse.
func (f *Files) examine(c *Candidate, seen *sighting) (why string, again time.Duration) {
	file, err := open(c.Path, c.Kind == Dropped)
	switch {
	case errors.Is(err, fs.ErrPermission):
		c.Refuse = fmt.Sprintf("%s cannot read it: %v; give it the right to", whoAmI(), bare(err))
		return "", 0
	case busy(err), errors.Is(err, fs.ErrNotExist):
		return "it is being written", soon
	case err != nil:
		return bare(err).Error(), later
	}
	defer file.Close()
	if !isStill(file, c.Stamp) {
		return "it is changing", soon
	}
	writing, known := beingWritten(file)
	if writing {
		seen.since = time.Now()
		if seen.busy.IsZero() {
			seen.busy = seen.since
		}
		return "somebody has it open for writing", min(max(soon, time.Since(seen.busy)/4), later)
	}
	seen.busy = time.Time{}
	if c.Size > image.MaxSize {
		c.Refuse = fmt.Sprintf("it has %d bytes, more than the %d an image may have", c.Size, image.MaxSize)
		return "", 0
	}
	why, settle, refuse := f.completeness(file, c.Size, known)
	if rest := settle - time.Since(seen.since); rest > 0 {
		return why, min(max(rest, soon), f.Settle)
	}
	if c.Refuse = refuse; refuse != "" {
		return "", 0
	}
	sum, err := hashOf(file, c.Size)
	if err != nil {
		return "it cannot be read: " + bare(err).Error(), later
	}
	if !isStill(file, c.Stamp) {
		return "it is changing", soon
	}
	seen.sha256 = sum
	return "", 0
}

// completeness says how long a file that nobody is seen to write must be unchanged, and why it is refused then. closed tells whether it is known
// that nobody writes.
func (f *Files) completeness(file io.ReaderAt, size int64, closed bool) (why string, settle time.Duration, refuse string) {
	err := image.Complete(file, size)
	var cut *image.TruncatedError
	switch {
	case errors.As(err, &cut) && cut.Loads:
		return err.Error(), f.Patience, ""
	case errors.As(err, &cut):
		if size == 0 {
			return "it is empty", f.Patience, "it is empty"
		}
		return err.Error(), f.Patience, err.Error()
	case err != nil, !closed:
		return "it may still be growing", f.Settle, ""
	}
	return "", 0, ""
}

// isStill tells whether an open file is as it was.
func isStill(file *os.File, stamp Stamp) bool {
	st, err := file.Stat()
	return err == nil && stampOf(st) == stamp
}

func hashOf(file io.ReaderAt, size int64) (string, error) {
	sum := sha256.New()
	n, err := io.Copy(sum, io.NewSectionReader(file, 0, size))
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return hex.EncodeToString(sum.Sum(nil)), err
}

// whoAmI names who has or lacks rights.
func whoAmI() string {
	if uid := os.Geteuid(); uid >= 0 {
		return fmt.Sprintf("user %d", uid)
	}
	return "this user"
}
