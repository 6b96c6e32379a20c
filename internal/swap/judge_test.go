package swap

import (
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

func TestJudge(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		before, after executor.Tally
		down          string
		want          string
	}{
		"nothing yet":                   {},
		"as before":                     {before: executor.Tally{Requests: 1000, Errors: 10, Median: ms}, after: executor.Tally{Requests: 1000, Errors: 10, Median: ms}},
		"down":                          {down: "its worker died", want: "its worker died"},
		"one crash":                     {before: executor.Tally{Requests: 1000}, after: executor.Tally{Requests: 7, Crashes: 1}, want: "it crashed: 1 crash in 7 requests; the version before: 0 in 1000"},
		"a crash without a request":     {after: executor.Tally{Crashes: 1}, want: "it crashed"},
		"crashes as before":             {before: executor.Tally{Requests: 1000, Crashes: 10}, after: executor.Tally{Requests: 100, Crashes: 1}},
		"crashes twice as often":        {before: executor.Tally{Requests: 1000, Crashes: 10}, after: executor.Tally{Requests: 100, Crashes: 2}},
		"crashes three times as often":  {before: executor.Tally{Requests: 1000, Crashes: 10}, after: executor.Tally{Requests: 100, Crashes: 3}, want: "it crashed: 3 crashes in 100"},
		"few requests with errors":      {before: executor.Tally{Requests: 1000}, after: executor.Tally{Requests: 19, Errors: 19}},
		"few errors":                    {before: executor.Tally{Requests: 1000}, after: executor.Tally{Requests: 20, Errors: 4}},
		"errors":                        {before: executor.Tally{Requests: 1000}, after: executor.Tally{Requests: 20, Errors: 5}, want: "too many errors: 5 of 20"},
		"errors under what is borne":    {before: executor.Tally{Requests: 1000}, after: executor.Tally{Requests: 1000, Errors: 20}},
		"errors over it":                {before: executor.Tally{Requests: 1000}, after: executor.Tally{Requests: 1000, Errors: 21}, want: "too many errors"},
		"errors as bad as before":       {before: executor.Tally{Requests: 1000, Errors: 500}, after: executor.Tally{Requests: 1000, Errors: 1000}},
		"errors, nothing known":         {after: executor.Tally{Requests: 50, Errors: 5}},
		"many errors, nothing known":    {after: executor.Tally{Requests: 50, Errors: 6}, want: "too many errors"},
		"slower":                        {before: executor.Tally{Requests: 50, Median: 20 * ms}, after: executor.Tally{Requests: 50, Median: 41 * ms}, want: "too slow: half of its 50 requests took over 41ms; the version before: 20ms"},
		"slower, but not much":          {before: executor.Tally{Requests: 50, Median: 20 * ms}, after: executor.Tally{Requests: 50, Median: 40 * ms}},
		"slower by nothing to speak of": {before: executor.Tally{Requests: 50, Median: ms}, after: executor.Tally{Requests: 50, Median: 10 * ms}},
		"slower, few requests":          {before: executor.Tally{Requests: 50, Median: 20 * ms}, after: executor.Tally{Requests: 49, Median: time.Second}},
		"slower than a few":             {before: executor.Tally{Requests: 49, Median: 20 * ms}, after: executor.Tally{Requests: 50, Median: time.Second}},
		"faster":                        {before: executor.Tally{Requests: 50, Median: time.Second}, after: executor.Tally{Requests: 50, Median: ms}},
	} {
		got := judge(executor.Progress{Old: c.before, New: c.after, Down: c.down}, 2)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
