package passwd

import "sync"

// table is a file as it was read. Its users do not change; another file is another table.
type table struct {
	users map[string]hash
	all   []hash // of users, in the order of the file

	mu    sync.RWMutex
	known map[key]bool // names with passwords that were right, or wrong; guarded by mu
	right int          // of known; guarded by mu
}

// key stands for a name with a password. It does not say which.
type key [32]byte

// mostKnown is how many right and how many wrong names with passwords are remembered, of one file. Wrong ones because there are clients
// that send the same again and again, and filters that let in others than the file does.
const mostKnown = 4096

func newTable() *table { return &table{users: map[string]hash{}, known: map[key]bool{}} }

func (t *table) add(name string, h hash) {
	t.users[name] = h
	t.all = append(t.all, h)
}

// recall says what remember was told.
func (t *table) recall(k key) (right, known bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	right, known = t.known[k]
	return right, known
}

// remember forgets another one, as right or as wrong, when there are too many of them.
func (t *table) remember(k key, right bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.known[k]; known {
		return
	}
	count := len(t.known) - t.right
	if right {
		count = t.right
		t.right++
	}
	t.known[k] = right
	if count < mostKnown {
		return
	}
	for other, as := range t.known {
		if as == right && other != k {
			delete(t.known, other)
			break
		}
	}
	if right {
		t.right--
	}
}
