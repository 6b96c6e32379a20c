package swap

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/image"
	"github.com/isapid/isapid/internal/update"
)

// Policy says how versions of an image replace one another.
type Policy struct {
	Watch      bool          // its files are looked at; else only orders replace it
	Hold       bool          // see [executor.Replacing]
	Canary     float64       // part of the requests that the new version gets first, 0 to 1; 0: none
	CanaryTime time.Duration // for so long
	Window     time.Duration // the new version is watched for so long after the commit; 0: not at all
	Factor     float64       // see [judge]; over 1
	Backups    int           // earlier versions that are kept
	Patience   time.Duration // longest time an old version may take to finish
	InProcess  bool          // a crash of the image is one of the server
}

// strictest is the policy of an image that several pools run.
func strictest(a, b Policy) Policy {
	p := Policy{
		Watch: a.Watch || b.Watch, Hold: a.Hold || b.Hold, CanaryTime: max(a.CanaryTime, b.CanaryTime), Window: max(a.Window, b.Window),
		Factor: min(a.Factor, b.Factor), Backups: max(a.Backups, b.Backups), Patience: max(a.Patience, b.Patience), InProcess: a.InProcess || b.InProcess,
	}
	switch {
	case a.Canary == 0 || b.Canary == 0:
		p.Canary = max(a.Canary, b.Canary)
	default:
		p.Canary = min(a.Canary, b.Canary)
	}
	return p
}

// Target is one executor of an image: that of a pool, or one in this process.
type Target struct {
	Pool   string        // for receipts
	Turn   string        // executors with the same one share processes: in one of them at a time an image is replaced
	Policy func() Policy // that holds now
	Load   func(v executor.Version) (executor.Replaceable, error)
	// Loadable says what speaks against loading an image, as far as its file tells. nil: [image.Info.LoadableHere] does.
	Loadable func(i *image.Info) error
	// Probe sends the verification requests, if there are any, to a version that is not routed to yet. An error says which was
	// not answered as it should be.
	Probe func(ctx context.Context, r executor.Replacement) (sent int, err error)
}

// Images are the images of a server, each with the version in force, and whoever replaces them. Make it with [New].
type Images struct {
	log   *slog.Logger
	poll  time.Duration
	turns *turns
	told  func(Receipt)

	mu      sync.Mutex      // guards all below
	watcher *update.Watcher // nil before the first image
	byPath  map[string]*Image
	closed  bool
}

// New watches nothing yet. Files are looked at when the system tells of a change, and every poll (0: 10 s). The caller must call Close.
func New(log *slog.Logger, poll time.Duration) *Images {
	return &Images{log: log, poll: cmp.Or(poll, update.DefaultPoll), turns: newTurns(), told: func(Receipt) {}, byPath: map[string]*Image{}}
}

// OnSwap has told called with the receipt of every swap that is committed, rejected or taken back, by many goroutines. It must be
// called before the first Open.
func (s *Images) OnSwap(told func(Receipt)) { s.told = told }

// blind: the system does not tell of changes.
func (s *Images) blind(folder string, err error) {
	s.log.Warn("system does not tell of changes in a folder: it is looked at from time to time", "folder", folder, "error", err)
}

// changed has the images of a folder look at their files.
func (s *Images) changed(folder string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.byPath {
		if filepath.Dir(i.path) == folder {
			i.nudge()
		}
	}
}

// ErrClosed is why an image is not opened after Close.
var ErrClosed = executor.ErrClosed

// Open loads an image for a target, in the version in force; the first target makes what lies at the path that version. The
// executor takes part in every swap until it is closed.
func (s *Images) Open(path string, t Target) (executor.Executor, error) {
	i, err := s.use(path)
	if err != nil {
		return nil, err
	}
	e, err := i.open(t)
	if err != nil {
		s.unuse(i)
		return nil, err
	}
	return e, nil
}

// use finds or makes an image, with one more user.
func (s *Images) use(path string) (*Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	i := s.byPath[path]
	if i == nil {
		if s.watcher == nil {
			s.watcher = update.NewWatcher(s.poll, s.changed, s.blind)
		}
		i = newImage(s, path)
		s.byPath[path] = i
		s.watcher.Add(filepath.Dir(path))
		s.nameFiles()
	}
	i.users++
	return i, nil
}

// nameFiles names the files of all images, which depend on one another where images share a folder. The lock is held.
func (s *Images) nameFiles() {
	images := s.list()
	var paths []string
	for _, i := range images {
		paths = append(paths, i.path)
	}
	for n, f := range update.All(paths) {
		images[n].name(f)
	}
}

func (s *Images) unuse(i *Image) {
	s.mu.Lock()
	i.users--
	last := i.users == 0
	if last {
		delete(s.byPath, i.path)
		s.nameFiles()
	}
	s.mu.Unlock()
	if last {
		s.watcher.Remove(filepath.Dir(i.path))
		i.end()
	}
}

// Close ends the swaps that are under way, as far as they have come: a version that does not serve yet never will, one that is watched
// is taken as good. Executors go on with the version they have.
func (s *Images) Close() {
	s.mu.Lock()
	s.closed = true
	list, watcher := s.list(), s.watcher
	s.mu.Unlock()
	for _, i := range list {
		i.cancel()
	}
	for _, i := range list {
		i.stop()
	}
	if watcher != nil {
		watcher.Close()
	}
}

// list are the images by path. The lock is held.
func (s *Images) list() (list []*Image) {
	for _, i := range s.byPath {
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b *Image) int { return cmp.Compare(a.path, b.path) })
	return list
}

// States tells of every image.
func (s *Images) States() (list []State) {
	s.mu.Lock()
	images := s.list()
	s.mu.Unlock()
	for _, i := range images {
		list = append(list, i.state())
	}
	return list
}

// ErrNoImage is why an order is not carried out.
var ErrNoImage = errors.New("no such image is loaded")

// Find is the image that was opened by a path.
func (s *Images) Find(path string) (*Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.byPath[path]; i != nil {
		return i, nil
	}
	return nil, ErrNoImage
}
