// Package pool runs extensions in worker processes and keeps those processes in order: how many there are, when one is
// replaced, what happens when one dies. The order in which to read it:
//
//	settings.go          the policy
//	state.go, decide.go  what is known, and the one function that decides what to do about it
//	begin.go             what is known once a decision is being carried out
//	images.go            which images the workers have, or are to load
//	swap.go              a version of an image that replaces another
//	crash.go, recycle.go crashes and limits: what is counted of them, and what follows
//	spare.go             processes that wait to become workers
//	pool.go, loop.go     the loop of a pool, which carries decisions out
//	slot.go, start.go, drain.go, health.go, orphan.go
//	                     one worker: its life, from the start to its end
//	bury.go, look.go     what is kept of a worker that died, and what is seen of one that lives
//	route.go, execute.go one request: which worker runs it, and what happens when that worker is lost
//	filters.go           the same of a request that goes through filters there
//	replace.go           what whoever replaces a version has in hand
//	count.go, place.go   what requests show of a version, and where its image is
//	status.go            what the operator sees
//
// A generation is one rollout of a pool, numbered, never reused. A new one is brought up beside the one that serves and takes
// its place when it is ready; the old one finishes what it has. When the new one does not come up, the old one stays. The
// workers of a generation load each image in the version of that generation; a generation with another version takes its place when
// somebody says so, and the old one is kept until somebody lets it go.
package pool
