package extension

import (
	"fmt"
	"sync"
)

// uniques are the unique symbols (STB_GNU_UNIQUE) of the images in this process. The loader binds whoever has a symbol of that
// name to the first definition, which stays in memory for good: code of a second version would work with the data of the
// first. They are the process's, as the loader's table is.
var uniques = struct {
	mu     sync.Mutex
	owners map[string]owner
}{owners: map[string]owner{}}

// owner is the image that was the first to have a symbol.
type owner struct{ image, sum string }

// claimUnique notes the unique symbols of an image that is about to be loaded. It is an error if another version of the same image has
// one of them; the same bytes may have them again, and so may another image, which has always shared them.
func (e *Extension) claimUnique(names []string) error {
	me := owner{e.staged.Source, e.staged.SHA256}
	uniques.mu.Lock()
	defer uniques.mu.Unlock()
	for _, name := range names {
		if o, taken := uniques.owners[name]; taken && o.image == me.image && o.sum != me.sum {
			return fmt.Errorf("its symbol %q is unique in a process (STB_GNU_UNIQUE) and belongs to another version of the image (SHA-256 %.16s…), "+
				"which stays in memory: the new code would work with the data of the old. Build it with -fno-gnu-unique, or run it in an isolated pool", name, o.sum)
		}
	}
	for _, name := range names {
		if _, taken := uniques.owners[name]; !taken {
			uniques.owners[name] = me
			e.unique = append(e.unique, name)
		}
	}
	return nil
}

// releaseUnique gives back the symbols of an image that is in memory no more.
func (e *Extension) releaseUnique() {
	if e.stuck {
		return
	}
	uniques.mu.Lock()
	defer uniques.mu.Unlock()
	for _, name := range e.unique {
		delete(uniques.owners, name)
	}
	e.unique = nil
}
