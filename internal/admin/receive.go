package admin

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	maxFile    = 1 << 30          // bytes of a new version, as of any image
	stallLimit = 30 * time.Second // between two pieces of it
	leftAfter  = 24 * time.Hour   // a file nobody has written to for so long was left by a process that was killed
)

// receive writes the body of r to a new file in the folder for temporary files (TMPDIR), where images are staged too. The caller must
// remove it. No more than a piece of it is in memory at a time.
func receive(w http.ResponseWriter, r *http.Request) (path string, err error) {
	sweepReceived()
	body := &patient{body: r.Body, conn: http.NewResponseController(w)}
	path, n, err := store(body)
	if body.err == nil && err == nil && n > 0 {
		return path, nil
	}
	os.Remove(path) // there may be none
	if tooLong, ok := errors.AsType[*http.MaxBytesError](body.err); ok {
		return "", tooLarge(tooLong.Limit)
	}
	if body.err == nil && err != nil {
		io.Copy(io.Discard, body) // who cannot send a file to its end may not see the answer
		return "", storeError(err)
	}
	return "", &Error{http.StatusBadRequest, "the new version did not arrive: " + cmp.Or(body.err, errors.New("there is no body")).Error(), "send the file as the body of the request"}
}

// store writes a body to a new file, which it leaves there also after an error.
func store(body io.Reader) (path string, n int64, err error) {
	f, err := os.CreateTemp("", receivedPrefix()+"*")
	if err != nil {
		return "", 0, err
	}
	n, err = io.Copy(f, body)
	return f.Name(), n, errors.Join(err, f.Close())
}

func tooLarge(limit int64) error {
	return &Error{http.StatusRequestEntityTooLarge, fmt.Sprintf("the file is longer than %d bytes", limit), "no image is that large"}
}

// storeError is about a new version that could not be kept.
func storeError(err error) error {
	text := "the new version cannot be stored: " + err.Error()
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &Error{http.StatusInsufficientStorage, text, "make room in " + os.TempDir() + ", or set TMPDIR of the server to a folder on another file system"}
	}
	return &Error{http.StatusInternalServerError, text, "the server keeps it in " + os.TempDir() + "; its variable TMPDIR names another folder"}
}

// patient reads a body as long as pieces of it keep coming.
type patient struct {
	body io.Reader
	conn *http.ResponseController
	err  error // of the body, other than its end
}

func (p *patient) Read(b []byte) (int, error) {
	p.conn.SetReadDeadline(time.Now().Add(stallLimit)) // fails on a connection that is gone
	n, err := p.body.Read(b)
	if err != nil && err != io.EOF {
		p.err = err
	}
	return n, err
}

// receivedPrefix begins the names of all received files of this user.
func receivedPrefix() string { return "isapid-deploy-" + strconv.Itoa(os.Geteuid()) + "-" }

// sweepReceived removes what processes of this user left behind when they were killed.
func sweepReceived() {
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), receivedPrefix()+"*")) // the pattern is good
	for _, path := range old {
		if st, err := os.Lstat(path); err == nil && st.Mode().IsRegular() && time.Since(st.ModTime()) > leftAfter {
			os.Remove(path) // that of another user stays
		}
	}
}
