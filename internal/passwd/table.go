package passwd

import "sync"

// table is a file as it was read. Its users do not change; another file is another table.
type table struct {
	users map[string]hash
	all   []hash // of users, in the order of the file

	mu    sync.RWMutex
	right map[key]struct{} // names with passwords that were right; guarded by mu
}

// key stands for a name with a password. It does not say which.
type key [32]byte

// mostRight is how many names with passwords are remembered, of one file.
const mostRight = 4096

func newTable() *table { return &table{users: map[string]hash{}, right: map[key]struct{}{}} }

func (t *table) add(name string, h hash) {
	t.users[name] = h
	t.all = append(t.all, h)
}

func (t *table) wasRight(k key) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	_, ok := t.right[k]
	return ok
}

// remember forgets any other one when there is no room.
func (t *table) remember(k key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.right) >= mostRight {
		for other := range t.right {
			delete(t.right, other)
			break
		}
	}
	t.right[k] = struct{}{}
}
