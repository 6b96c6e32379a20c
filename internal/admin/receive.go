package admin

import (
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
	f, err := os.CreateTemp("", receivedPrefix()+"*")
	if err != nil {
		return "", storeError(err)
	}
	body := &patient{body: r.Body, conn: http.NewResponseController(w)}
	n, err := io.Copy(f, body)
	if err = errors.Join(err, f.Close()); err == nil && n == 0 {
		err = errors.New("there is no body")
	}
	if err == nil {
		return f.Name(), nil
	}
	os.Remove(f.Name())
	if tooLong, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return "", tooLarge(tooLong.Limit)
	}
	if n == 0 || body.err != nil {
		return "", &Error{http.StatusBadRequest, "the new version did not arrive: " + err.Error(), "send the file as the body of the request"}
	}
	return "", storeError(err)
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
	if err != nil && err != io.EOF { //nolint:errorlint // a reader ends with io.EOF itself
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
