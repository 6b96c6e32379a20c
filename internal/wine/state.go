package wine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// State is what there is at the place of a prefix.
type State struct {
	Prefix string   `json:"prefix"`
	Made   bool     `json:"made"`              // a prefix is there
	Ours   bool     `json:"ours"`              // isapid made it
	Wine   string   `json:"wine,omitempty"`    // of one of ours: the version it was made by
	Arches []string `json:"arches,omitempty"`  // likewise: processors whose programs it is for
	Stale  string   `json:"stale,omitempty"`   // why the next use changes it first
	Size   int64    `json:"size,omitempty"`    // bytes
	Bad    string   `json:"problem,omitempty"` // why it cannot be used, or made
	Help   string   `json:"help,omitempty"`    // what to do then
}

// State looks at the place of a prefix and changes nothing. Without a Wine, which is nil then, Stale says less.
func (w *Wine) State(prefix string) State {
	s := State{Prefix: prefix}
	what, mark, err := look(prefix)
	switch {
	case err != nil:
		s.Bad = fmt.Sprintf("the folder %s cannot be read (%v)", prefix, err)
		s.Help = "give this user the right, or " + another
		return s
	case what == other:
		s.Bad, s.Help = fmt.Sprintf("the folder %s is not empty and is no Wine prefix", prefix), "empty it, or "+another
		return s
	case what == nothing:
		s.Bad, s.Help = cannotMake(prefix, w.room())
		return s
	}
	s.Made, s.Size = true, sizeOf(prefix)
	if what == ours {
		s.Ours, s.Wine, s.Arches = true, mark.Wine, mark.Arches
		if w != nil {
			s.Stale = mark.outdated(w.Version, nil)
		}
	}
	if st, err := os.Stat(prefix); err == nil && !ownedByMe(st) {
		s.Bad = fmt.Sprintf("the Wine prefix %s belongs to another user, and Wine runs in one's own only", prefix)
		s.Help = "run isapid as that user, or " + another
	}
	return s
}

// another is the help that always helps.
const another = "name another folder by ISAPID_WINEPREFIX"

// cannotMake says why no prefix, which needs so many bytes, can be made at a place, and what to do; "" if nothing speaks against it.
func cannotMake(prefix string, room int64) (why, help string) {
	dir := filepath.Dir(prefix)
	for {
		_, err := os.Stat(dir)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	if !writable(dir) {
		return fmt.Sprintf("the Wine prefix %s cannot be made, since this user may not write to %s", prefix, dir), another
	}
	if free, err := freeSpace(dir); err == nil && free < room {
		return noRoom(free, room), "make room, or " + another
	}
	return "", ""
}

func noRoom(free, needed int64) string {
	return fmt.Sprintf("a Wine prefix takes %d MB while it is made and 20 MB then, and there are %d MB free", needed>>20, free>>20)
}
