package swap

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/isapid/isapid/internal/update"
)

// Which names an earlier version.
type Which struct {
	Number int    // of a backup, the newest is 1; 0: Hash says it
	Hash   string // the beginning of its SHA-256, in lower case
}

// ErrNoVersion is why there is no going back.
var ErrNoVersion = errors.New("there is no such version to go back to")

func (w Which) means(number int, sha256 string) bool {
	if w.Number > 0 {
		return w.Number == number
	}
	return strings.HasPrefix(sha256, w.Hash)
}

// backup finds an earlier version among those that are kept.
func backup(files *update.Files, to Which) (update.Backup, error) {
	list, err := files.Backups()
	for n, b := range list {
		if to.means(n+1, b.SHA256) {
			return b, nil
		}
	}
	switch {
	case err != nil:
		return update.Backup{}, err
	case len(list) == 0:
		return update.Backup{}, fmt.Errorf("%w: none is kept as %s", ErrNoVersion, files.Backup(1))
	}
	return update.Backup{}, fmt.Errorf("%w: those that are kept have the numbers 1 to %d and the hashes %s", ErrNoVersion, len(list), hashes(list))
}

func hashes(list []update.Backup) string {
	var all []string
	for _, b := range list {
		all = append(all, short(b.SHA256))
	}
	return strings.Join(all, ", ")
}

// History are the receipts in the journal, newest first.
func (i *Image) History() ([]Receipt, error) {
	i.mu.Lock()
	files := i.files
	i.mu.Unlock()
	entries, err := files.Journal()
	if err != nil {
		return nil, err
	}
	list := []Receipt{}
	at := map[string]int{} // by ID: later entries have more of the same receipt
	for _, e := range entries {
		var r Receipt
		if json.Unmarshal(e.Data, &r) != nil || r.ID == "" {
			continue
		}
		if n, ok := at[r.ID]; ok {
			list[n] = r
			continue
		}
		at[r.ID] = len(list)
		list = append(list, r)
	}
	slices.Reverse(list)
	return list, nil
}
