package obituary

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Summary is one line of a list of obituaries.
type Summary struct {
	ID     string    `json:"id"`
	Kind   Kind      `json:"kind,omitempty"`
	At     time.Time `json:"at"`
	Pool   string    `json:"pool,omitempty"`
	Worker string    `json:"worker,omitempty"`
	Pid    int       `json:"pid,omitempty"`
	Image  string    `json:"image,omitempty"`
	How    string    `json:"how,omitempty"`
	Where  string    `json:"where,omitempty"` // image, offset and symbol of the fault
	Reason string    `json:"reason,omitempty"`
	Hung   int       `json:"hung_requests,omitempty"`
	Lost   int64     `json:"lost_requests"`
	Error  string    `json:"error,omitempty"` // why the file cannot be read; nothing but ID is set then
}

// NotFoundError says that there is no such obituary.
type NotFoundError struct{ ID string }

// Error implements error.
func (e *NotFoundError) Error() string { return fmt.Sprintf("there is no obituary %q", e.ID) }

// List is what lies in a folder, the oldest first. A folder that is not there has none. Files that cannot be read are listed, with
// the reason.
func List(directory string) ([]Summary, error) {
	names, err := ids(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return []Summary{}, nil
	}
	if err != nil {
		return nil, err
	}
	list := []Summary{}
	for _, id := range names {
		r, err := Read(directory, id)
		if isGone(err) {
			continue // it was one too many
		}
		if err != nil {
			list = append(list, Summary{ID: id, Error: err.Error()})
			continue
		}
		list = append(list, r.Summary())
	}
	return list, nil
}

// Text is what happened, in a line.
func (s *Summary) Text() string {
	who, how := "the server's process", s.How
	if s.Reason != "" {
		how += ", " + s.Reason
	}
	if s.Hung > 0 {
		how += fmt.Sprintf("; %d requests hung", s.Hung)
	}
	if s.Worker != "" {
		who = "worker " + s.Worker
	}
	switch {
	case s.Error != "":
		return s.Error
	case s.Kind == Fault:
		return "fault in " + who + ": " + how
	case s.Where != "":
		return who + " died: " + how + ", in " + s.Where
	}
	return who + " died: " + how
}

func isGone(err error) bool {
	_, gone := errors.AsType[*NotFoundError](err)
	return gone
}

// Summary is the line of the report in a list.
func (r *Report) Summary() Summary {
	return Summary{ID: r.ID, Kind: r.Kind, At: r.At, Pool: r.Pool, Worker: r.Worker, Pid: r.Pid, Image: r.Image, How: r.How, Where: r.where(), Reason: r.Reason, Hung: len(r.Hung), Lost: r.Lost}
}

// where is the place of the fault in a few words.
func (r *Report) where() string {
	c := r.Crash
	switch {
	case c == nil:
		return ""
	case c.Image == "":
		return c.Symbol
	case c.Symbol != "":
		return filepath.Base(c.Image) + "+" + c.Offset + " " + c.Symbol
	}
	return filepath.Base(c.Image) + "+" + c.Offset
}

// Read reads one. The file may have been written by anybody: what is in it is cut to what a book would have written, and its ID is
// the name of the file.
func Read(directory, id string) (*Report, error) {
	if !isID(id) {
		return nil, &NotFoundError{id}
	}
	name := filepath.Join(directory, id+suffix)
	if fi, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFoundError{id}
	} else if err == nil && !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, mostSize+2))
	if err != nil {
		return nil, err
	}
	if len(text) > mostSize+1 {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, mostSize)
	}
	r, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r.ID = id
	return r, nil
}

func decode(text []byte) (*Report, error) {
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("is no obituary: %w", err)
	}
	if r.Kind != Death && r.Kind != Fault {
		return nil, fmt.Errorf("is no obituary: its kind is %.20q", r.Kind)
	}
	bound(&r)
	return &r, nil
}

// ids are the obituaries in a folder, the oldest first.
func ids(directory string) (list []string, err error) {
	files, err := os.ReadDir(directory)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if id, ok := strings.CutSuffix(f.Name(), suffix); ok && isID(id) {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return list, nil
}

// isID says whether a text can be an ID: it begins with a time, and there is nothing in it that means anything to a file system.
func isID(id string) bool {
	if len(id) <= len(idTime) || len(id) > 128 || strings.Trim(id, idLetters) != "" {
		return false
	}
	_, err := time.Parse(idTime, id[:len(idTime)])
	return err == nil
}
