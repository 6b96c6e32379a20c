package remote_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/testext"
)

// echo answers its query string after as many microseconds as come first in it. Every second one has its head and half of its
// text on the way before that.
const echo = `
#include <unistd.h>
#include "httpext.h"
#include <stdlib.h>
#include <string.h>

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
	v->dwExtensionVersion = HSE_VERSION;
	strcpy(v->lpszExtensionDesc, "echo");
	return TRUE;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
	DWORD all = strlen(e->lpszQueryString), half = 0, rest;
	char *text = e->lpszQueryString;
	if (strchr(text, 'h')) {
		half = all / 2;
		e->WriteClient(e->ConnID, text, &half, HSE_IO_SYNC);
		half = all / 2;
	}
	usleep(atoi(text));
	rest = all - half;
	e->WriteClient(e->ConnID, text + half, &rest, HSE_IO_SYNC);
	return HSE_STATUS_SUCCESS;
}
`

// TestLateAnswers: answers that come about when their time is over reach nobody else: each request gets its own, 504, or the
// beginning of its own and a break. 100,000 of them with ISAPID_SOAK set.
func TestLateAnswers(t *testing.T) {
	requests := int64(2000)
	if os.Getenv("ISAPID_SOAK") != "" {
		requests = 100_000
	}
	const (
		limit   = 20 * time.Millisecond
		clients = 50
	)
	image := testext.Source(t, echo)
	log := slog.New(slog.DiscardHandler)
	w, err := remote.Start(t.Context(), remote.Settings{Name: "late/1", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	i, err := w.Load(t.Context(), image, executor.Options{Logger: log, Limit: limit, Threads: 200, Flush: -1})
	if err != nil {
		t.Fatal(errors.Join(err, w.Stop(context.Background())))
	}
	var next, right, late, broken atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for n := next.Add(1); n <= requests; n = next.Add(1) {
				want := fmt.Sprintf("%d,%c,%d", rand.N(2*limit.Microseconds()), "wh"[n%2], n)
				rec := httptest.NewRecorder()
				res, err := i.Execute(rec, httptest.NewRequest("GET", "/?"+want, nil), &executor.Target{})
				switch got := rec.Body.String(); {
				case err != nil:
					t.Errorf("request %s: %v", want, err)
				case res.Broken:
					if broken.Add(1); !strings.HasPrefix(want, got) {
						t.Errorf("request %s is broken behind %q", want, got)
					}
				case rec.Code == 504:
					late.Add(1)
				case rec.Code != 200 || got != want:
					t.Errorf("request %s got %d %q", want, rec.Code, got)
				default:
					right.Add(1)
				}
			}
		})
	}
	all.Wait()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	if err := w.Stop(ctx); err != nil {
		t.Error(err)
	}
	t.Logf("%d answers, %d times 504, %d broken", right.Load(), late.Load(), broken.Load())
	if right.Load() == 0 || late.Load() == 0 || broken.Load() == 0 {
		t.Error("the delays were not about the limit")
	}
}
