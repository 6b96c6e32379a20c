package executor

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/trace"
)

func TestTrailLogger(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	var trail Trail
	for _, none := range []*Trail{nil, &trail} {
		if got := none.Logger(log); got != log {
			t.Errorf("%v: another logger", none)
		}
	}
	trail.Reset(7, time.Now())
	trail.Logger(log).Info("m", "k", 1)
	trail.Trace.TraceID[0] = 0xab
	trail.Logger(log).Info("m")
	id := "msg=m request=" + trace.FormatID(7)
	if got := out.String(); !strings.Contains(got, id+" k=1\n") || !strings.Contains(got, id+" trace=ab000000000000000000000000000000\n") {
		t.Errorf("got %s", got)
	}
}
