//go:build linux

package remote_test

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/isapid/isapid/internal/wire"
)

// TestPlain: all tests of this package hold for workers whose stream is plain, too, but for those of what only descriptors can do.
func TestPlain(t *testing.T) {
	if plain {
		return
	}
	if testing.Short() {
		t.Skip("it runs all the others")
	}
	cmd := exec.Command(os.Args[0], "-test.timeout=9m", "-test.skip=^TestWine")
	cmd.Env = append(os.Environ(), wire.PlainByEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestBoardVillains: whatever a worker does to the file that is its board, the front reads what it made, or nothing.
func TestBoardVillains(t *testing.T) {
	if !plain {
		t.Setenv(wire.PlainByEnv, "1")
	}
	for _, part := range []string{"board-cut", "board-gone", "board-link", "board-grown"} {
		t.Run(part, func(t *testing.T) {
			s := newScene(t)
			w, i := s.villain(part, 1, 0)
			s.ask(w, i, false)
			if b, ok := w.Board(); ok && len(b.Threads) > 0 {
				t.Errorf("the board has %+v", b)
			}
			w.Kill("the test is over")
			if obit := s.dead(w); obit.Board != nil && len(obit.Board.Threads) > 0 {
				t.Errorf("the obituary has %+v", obit.Board)
			}
		})
	}
}

// boardCrimes are done to the file before the request is answered.
var boardCrimes = map[string]func(v *villain, id uint64, _ []byte){
	"board-cut":   boardCrime(func(path string) error { return os.Truncate(path, 100) }),
	"board-grown": boardCrime(func(path string) error { return os.Truncate(path, 1<<40) }),
	"board-gone":  boardCrime(os.Remove),
	"board-link": boardCrime(func(path string) error {
		return errors.Join(os.Remove(path), os.Symlink("/dev/zero", path))
	}),
}

func boardCrime(do func(path string) error) func(v *villain, id uint64, _ []byte) {
	return func(v *villain, id uint64, _ []byte) {
		if err := do(v.board); err != nil {
			panic(err)
		}
		v.send(page(id, "fine")...)
	}
}
