package wine

import (
	"context"
	"os"
	"testing"
	"time"
)

// need returns the Wine of this machine. Without one it skips the test; where everything must be there it fails it.
func need(t testing.TB) *Wine {
	t.Helper()
	w, err := Find()
	switch {
	case err == nil:
		return w
	case os.Getenv("CI") != "":
		t.Fatal(err)
	}
	t.Skip(err)
	return nil
}

func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestPrepare(t *testing.T) {
	w := need(t)
	prefix := t.TempDir() + "/p"
	if err := w.Prepare(bounded(t), prefix, nil, func(s string) { t.Log(time.Now().Format("05.000"), s) }); err != nil {
		t.Fatal(err)
	}
}
