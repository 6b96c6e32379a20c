package update

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Files are an image and the files beside it. Their names begin with the image's without its last extension, or in the long
// form with all of it. All methods may be called at any time by anybody; those that change files wait for each other.
type Files struct {
	// Settle is how long a file must stay unchanged where nobody can say whether it is still open for writing, and Patience how long
	// one that is shorter than it says of itself. Both may be changed before the first Look.
	Settle, Patience time.Duration

	image  string // absolute
	folder string
	name   string // what the names of the others begin with
	other  string // another name under which a candidate may come, "" if there is none
	plain  string // a name that is refused because it could be meant for several images, "" if there is none

	mu      sync.Mutex
	serving serving
	refused map[string]Stamp     // what was refused and could not be put aside, by path
	seen    map[string]*sighting // candidates that were there at the last look, by path
	journal journalSize
}

// The defaults of [Files].
const (
	DefaultSettle   = 500 * time.Millisecond
	DefaultPatience = 30 * time.Second
)

// New names the files of an image. The long form is for images that share a folder and a name but for the extension:
// proposal.so.update then is what proposal.update else is, and the latter is refused. See [All].
func New(image string, long bool) *Files {
	if abs, err := filepath.Abs(image); err == nil { // an error means that there is no working directory
		image = abs
	}
	base := filepath.Base(image)
	f := &Files{Settle: DefaultSettle, Patience: DefaultPatience, image: image, folder: filepath.Dir(image), name: base,
		refused: map[string]Stamp{}, seen: map[string]*sighting{}}
	short := shortName(base)
	switch {
	case short == base:
	case long:
		f.plain = short + ".update"
	default:
		f.name, f.other = short, base+".update"
	}
	return f
}

// All names the files of several images, which must be different, in the long form where they would share some.
func All(images []string) []*Files {
	files := make([]*Files, len(images))
	for i, image := range images {
		files[i] = New(image, false)
	}
	same := func(i, j int) bool { return i != j && sameName(files[i].folder, files[j].folder) }
	for i, f := range files {
		base := filepath.Base(f.image)
		for j := range files {
			theirs := filepath.Base(files[j].image)
			if short := shortName(base); same(i, j) && short != base && (sameName(short, shortName(theirs)) || sameName(short, theirs)) {
				files[i] = New(f.image, true)
				break
			}
		}
	}
	for i, f := range files { // libshop.so.update is refused for libshop.so.1, unless it is that of libshop.so
		if f.plain != "" && slices.ContainsFunc(files, func(g *Files) bool {
			return g != f && sameName(g.folder, f.folder) && sameName(filepath.Base(g.image)+".update", f.plain)
		}) {
			files[i].plain = ""
		}
	}
	return files
}

// shortName is a file name without its last extension. A name that would be one of those beside it stays as it is.
func shortName(base string) string {
	ext := filepath.Ext(base)
	short := strings.TrimSuffix(base, ext)
	if short == "" || slices.Contains([]string{".update", ".backup", ".failed", ".journal", ".lock"}, strings.ToLower(ext)) {
		return base
	}
	return short
}

// sameName compares names as the file system does.
func sameName(a, b string) bool {
	return a == b || runtime.GOOS == "windows" && strings.EqualFold(a, b)
}

// Image is the absolute path the image is configured by.
func (f *Files) Image() string { return f.image }

// Folder is the folder of the image and all the files beside it.
func (f *Files) Folder() string { return f.folder }

// Run is the file that runs: the configured path if there is something, else NAME.run beside it if there is something.
func (f *Files) Run() string {
	if _, err := os.Lstat(f.image); err == nil {
		return f.image
	}
	if run := f.path(".run"); run != f.image {
		if _, err := os.Lstat(run); err == nil {
			return run
		}
	}
	return f.image
}

// Update is where a candidate is expected.
func (f *Files) Update() string { return f.path(".update") }

// Backup is where the nth version that gave way is kept, 1 being the newest.
func (f *Files) Backup(n int) string {
	if n == 1 {
		return f.path(".backup")
	}
	return f.path(".backup." + strconv.Itoa(n))
}

// Failed is where a candidate that was refused is kept.
func (f *Files) Failed() string { return f.path(".failed") }

// FailedText is where the reason stands.
func (f *Files) FailedText() string { return f.path(".failed.txt") }

// JournalFile is where the journal is.
func (f *Files) JournalFile() string { return f.path(".journal") }

// LockFile is locked while a process changes the files. It is empty and stays.
func (f *Files) LockFile() string { return f.path(".lock") }

func (f *Files) path(suffix string) string { return filepath.Join(f.folder, f.name+suffix) }

// Temporary names are the same for every process: only one has the lock.
func (f *Files) claimed() string   { return f.Update() + ".tmp" }      // the candidate, on its way
func (f *Files) copied() string    { return f.path(".run.tmp") }       // what is to be the run file
func (f *Files) keeping() string   { return f.Backup(1) + ".tmp" }     // what is to be the newest backup
func (f *Files) gone() string      { return f.Failed() + ".tmp" }      // what was the run file, and is to be NAME.failed
func (f *Files) written() string   { return f.FailedText() + ".tmp" }  // a text that is being written
func (f *Files) shortened() string { return f.JournalFile() + ".tmp" } // a journal that is being written anew
