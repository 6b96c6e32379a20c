package update

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/isapid/isapid/internal/files"
)

// Entry is one line of the journal.
type Entry struct {
	Time time.Time `json:"time"`
	Kind string    `json:"kind"` // "trial", "committed"…: the words of whoever writes it

	// Serving is the hash of what is the run file from this entry on; "" in an entry that changes nothing. When it is written before
	// Accept, the journal names the version that is tried, whenever the machine stops: see [Recovered].
	Serving string `json:"serving,omitempty"`

	Data json.RawMessage `json:"data,omitempty"` // a receipt, for example
}

// Limits of a journal.
const (
	maxEntries  = 1000    // when there are more,
	keptEntries = 500     // so many are kept
	maxEntry    = 1 << 20 // bytes of one
	maxJournal  = 1 << 26 // bytes of a journal that are read, from its end
)

// journalSize is what is known of the journal file since the last entry of this process.
type journalSize struct {
	bytes   int64
	entries int
}

// Append adds an entry to the journal and returns when it is on the disk. Time is filled in if it is zero. A journal of more than 1000
// entries is cut to the last 500.
func (f *Files) Append(e Entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.Time.IsZero() {
		e.Time = now()
	}
	line, err := json.Marshal(e)
	if err == nil && len(line) > maxEntry {
		err = fmt.Errorf("an entry of %d bytes is longer than the %d it may have", len(line), maxEntry)
	}
	if err == nil {
		err = f.locked(func() error { return f.appendLine(line) })
	}
	if err != nil {
		return fmt.Errorf("write to the journal %q: %w", f.JournalFile(), err)
	}
	return nil
}

func (f *Files) appendLine(line []byte) error {
	step("open journal")
	file, err := openJournal(f.JournalFile(), os.O_RDWR|os.O_CREATE|os.O_APPEND)
	if err != nil {
		return err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return bare(err)
	}
	if st.Size() != f.journal.bytes {
		entries, err := readEntries(file, st.Size())
		if err != nil {
			return err
		}
		f.journal = journalSize{st.Size(), len(entries)}
	}
	line = append(line, '\n')
	if last := make([]byte, 1); st.Size() > 0 {
		if _, err := file.ReadAt(last, st.Size()-1); err != nil || last[0] != '\n' {
			line = append([]byte{'\n'}, line...) // what was cut off there stays a line of its own
		}
	}
	step("append")
	if _, err := file.Write(line); err != nil {
		files.Truncate(file, f.JournalFile(), st.Size()) // as far as that works; a reader leaves out half a line anyway
		return bare(err)
	}
	step("sync journal")
	if err := file.Sync(); err != nil {
		return bare(err)
	}
	f.journal = journalSize{st.Size() + int64(len(line)), f.journal.entries + 1}
	if st.Size() == 0 {
		return syncFolder(f.folder)
	}
	if f.journal.entries > maxEntries {
		entries, err := readEntries(file, f.journal.bytes)
		file.Close() // Windows lets nothing take the place of a file that is open
		if err == nil {
			f.shorten(entries, st) // may fail: the entry is written, and the next one tries again
		}
	}
	return nil
}

// shorten writes the journal anew with its last entries, and with the mode and owner that it has.
func (f *Files) shorten(entries []Entry, was fs.FileInfo) error {
	entries = entries[max(0, len(entries)-keptEntries):]
	var b bytes.Buffer
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			continue // it was read: then this cannot be
		}
		b.Write(append(line, '\n'))
	}
	if err := remove(f.shortened()); err != nil {
		return err
	}
	if err := writeFile(f.shortened(), b.Bytes(), was); err != nil {
		return err
	}
	if err := rename(f.shortened(), f.JournalFile()); err != nil {
		remove(f.shortened())
		return err
	}
	f.journal = journalSize{int64(b.Len()), len(entries)}
	return syncFolder(f.folder)
}

// Journal returns the entries, oldest first. Lines that are none, such as one that was cut off when the machine stopped, are
// left out. A journal that does not exist is empty.
func (f *Files) Journal() ([]Entry, error) {
	entries, err := func() ([]Entry, error) {
		file, err := openJournal(f.JournalFile(), os.O_RDONLY)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		defer file.Close()
		st, err := file.Stat()
		if err != nil {
			return nil, err
		}
		return readEntries(file, st.Size())
	}()
	if err != nil {
		return nil, f.explain(fmt.Errorf("read the journal %q: %w", f.JournalFile(), bare(err)))
	}
	return entries, nil
}

// openJournal opens a regular file.
func openJournal(path string, flags int) (*os.File, error) {
	file, err := files.OpenFile(path, flags|nonblock, 0o644)
	if err != nil {
		return nil, bare(err)
	}
	if st, err := file.Stat(); err != nil || !st.Mode().IsRegular() {
		file.Close()
		return nil, errors.New("it is not a regular file: remove it")
	}
	return file, nil
}

// readEntries returns the entries of a journal of size bytes. Of one that is too large the oldest are left out.
func readEntries(r io.ReaderAt, size int64) ([]Entry, error) {
	from := max(0, size-maxJournal)
	b, err := io.ReadAll(io.NewSectionReader(r, from, size-from))
	if err != nil {
		return nil, bare(err)
	}
	return parseJournal(b), nil
}

// parseJournal returns the entries in b.
func parseJournal(b []byte) (entries []Entry) {
	for line := range bytes.Lines(b) {
		var e Entry
		if bytes.HasSuffix(line, []byte("\n")) && json.Unmarshal(line, &e) == nil && e.Kind != "" {
			entries = append(entries, e)
		}
	}
	return entries
}
