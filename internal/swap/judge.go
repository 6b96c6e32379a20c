package swap

import (
	"fmt"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// What little traffic shows is chance: nothing is concluded from fewer requests than these, nor from smaller differences.
const (
	leastForErrors  = 20
	leastErrors     = 5
	leastForTimes   = 50
	leastSlower     = 10 * time.Millisecond
	fewErrors       = 0.01 // the share of errors a version may have, times the factor, when the old one had none
	unknownErrors   = 0.05 // likewise when the old one had too few requests to know
	leastForUnknown = 200
)

// judge compares what requests have shown of two versions. It says why the new one is to be taken back; "" if it is not.
func judge(p executor.Progress, factor float64) string {
	if p.Down != "" {
		return p.Down
	}
	for _, worse := range []func(before, after executor.Tally, factor float64) string{moreCrashes, moreErrors, slower} {
		if reason := worse(p.Old, p.New, factor); reason != "" {
			return reason
		}
	}
	return ""
}

// moreCrashes: one crash is enough if the old version had none.
func moreCrashes(before, after executor.Tally, factor float64) string {
	if after.Crashes == 0 || rate(after.Crashes, after.Requests) <= factor*rate(before.Crashes, before.Requests) {
		return ""
	}
	return fmt.Sprintf("it crashed: %s in %s; the version before: %d in %d", counted(after.Crashes, "crash", "crashes"), counted(after.Requests, "request", "requests"),
		before.Crashes, before.Requests)
}

func moreErrors(before, after executor.Tally, factor float64) string {
	if after.Requests < leastForErrors || after.Errors < leastErrors {
		return ""
	}
	usual := max(rate(before.Errors, before.Requests), fewErrors)
	if before.Requests < leastForUnknown {
		usual = max(usual, unknownErrors)
	}
	if rate(after.Errors, after.Requests) <= factor*usual {
		return ""
	}
	return fmt.Sprintf("too many errors: %d of %d requests were answered 500 or above; the version before: %d of %d", after.Errors, after.Requests, before.Errors, before.Requests)
}

// slower compares the times that half of the requests took.
func slower(before, after executor.Tally, factor float64) string {
	if before.Requests < leastForTimes || after.Requests < leastForTimes || after.Median-before.Median < leastSlower ||
		float64(after.Median) <= factor*float64(before.Median) {
		return ""
	}
	return fmt.Sprintf("too slow: half of its %d requests took over %v; the version before: %v", after.Requests, after.Median, before.Median)
}

// rate is that of n among requests, of which there may be none yet.
func rate(n, requests int64) float64 { return float64(n) / float64(max(requests, n, 1)) }

func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
