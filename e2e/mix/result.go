package mix

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Result is what a mix has seen. Its size does not depend on the number of requests.
type Result struct {
	Requests int64
	Failed   int64            // answered 500 to 599 or in any other way wrong, or not in time
	Reset    int64            // the connection was refused or broke
	Stale    int64            // answered by a version that was not to answer then
	Decided  int64            // answered while only one version was to: of these it is certain that they are not stale
	Longest  time.Duration    // of a request
	Kinds    map[string]int64 // requests by what was asked and over which connection: "POST 16 KiB, HTTP/2"
	Versions map[int]Seen
	Problems []Problem // the first of each client
}

// Seen is how often a version has answered, when the first of the requests began and when the last ended.
type Seen struct {
	Requests    int64
	First, Last time.Time
}

// Problem is a request that did not go as it should.
type Problem struct {
	Kind         string
	Began, Ended time.Time
	What         string
	Reset        bool   // it is counted as such
	ID           string // X-Request-Id of the answer, if there was one
}

const maxProblems = 20

// Bad is the number of requests that did not go as they should.
func (r *Result) Bad() int64 { return r.Failed + r.Reset + r.Stale }

// String is the result in one line, and the problems in further ones.
func (r *Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s requests, %s failed, %s reset, %s stale", grouped(r.Requests), grouped(r.Failed), grouped(r.Reset), grouped(r.Stale))
	for _, p := range r.Problems {
		const clock = "15:04:05.000"
		fmt.Fprintf(&b, "\n%s to %s, %s: %s", p.Began.Format(clock), p.Ended.Format(clock), p.Kind, p.What)
	}
	return b.String()
}

// Details is how often each kind was asked and each version answered, a line for each.
func (r *Result) Details() string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(r.Kinds)) {
		fmt.Fprintf(&b, "%12s  %s\n", grouped(r.Kinds[k]), k)
	}
	for _, v := range slices.Sorted(maps.Keys(r.Versions)) {
		fmt.Fprintf(&b, "%12s  answered by version %d\n", grouped(r.Versions[v].Requests), v)
	}
	fmt.Fprintf(&b, "%12s  answered while only one version was to\n", grouped(r.Decided))
	fmt.Fprintf(&b, "%12s  was the longest\n", r.Longest.Round(time.Millisecond))
	return b.String()
}

// grouped writes 1000000 as 1,000,000.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func (s Seen) and(other Seen) Seen {
	if s.Requests == 0 {
		return other
	}
	s.Requests += other.Requests
	if other.First.Before(s.First) {
		s.First = other.First
	}
	if other.Last.After(s.Last) {
		s.Last = other.Last
	}
	return s
}

// add puts what another client has seen to it.
func (r *Result) add(other *Result) {
	r.Requests += other.Requests
	r.Failed += other.Failed
	r.Reset += other.Reset
	r.Stale += other.Stale
	r.Decided += other.Decided
	r.Longest = max(r.Longest, other.Longest)
	for k, n := range other.Kinds {
		r.Kinds[k] += n
	}
	for v, s := range other.Versions {
		r.Versions[v] = r.Versions[v].and(s)
	}
	r.Problems = append(r.Problems, other.Problems...)
	slices.SortFunc(r.Problems, func(a, b Problem) int { return a.Began.Compare(b.Began) })
}
