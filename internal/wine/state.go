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
			s.Stale = mark.outdated(prefix, w.Version, nil)
		}
	}
	s.Bad, s.Help = cannotUse(prefix)
	return s
}

// cannotUse says why a prefix that is there cannot be used, and what to do; "" if nothing speaks against it.
func cannotUse(prefix string) (why, help string) {
	st, err := os.Stat(prefix)
	switch {
	case err != nil:
		return "", ""
	case !ownedByMe(st):
		return fmt.Sprintf("the Wine prefix %s belongs to another user, and Wine runs in one's own only", prefix), "run isapid as that user, or " + another
	case !writable(prefix):
		return fmt.Sprintf("the Wine prefix %s cannot be written to, and Wine writes its registry there", prefix),
			"give this user the right, and mount its disk so that it can be written to, or " + another
	}
	return "", ""
}

// another is the help that always helps.
const another = "name another folder by ISAPID_WINEPREFIX"

// longest is how long the path of a prefix may be, in bytes. With 460 Wine makes one that is not whole, and says nothing; with 300 all is well.
const longest = 300

// cannotMake says why no prefix, which needs so many bytes, can be made at a place, and what to do; "" if nothing speaks against it.
func cannotMake(prefix string, room int64) (why, help string) {
	if len(prefix) > longest {
		return fmt.Sprintf("the path of the Wine prefix has %d bytes, and Wine takes no more than %d", len(prefix), longest), another
	}
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
