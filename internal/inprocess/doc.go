// Package inprocess runs an image inside this process, and replaces it there while it runs requests.
//
//	image.go        the image: its versions, one of which serves, and its end
//	version.go      one loaded version, and the requests inside
//	route.go        which version a request goes to, and the queue of those that wait for one
//	filter.go       the filter half of a version
//	passage.go      requests that go through filter halves, and stay with their versions
//	replace.go      loading another version: beside the one that serves, or after its end
//	replacement.go  what comes then: share, commit, revert, settle
//	number.go       the loadings of this process by number, for events; board.go: what its threads are doing
//
// # What a replacement in one process cannot do
//
// Nothing of another version can be ended here by force. A request that never returns keeps its version loaded; when the old version
// must end first ([executor.Replacing].Hold) the replacement fails, and its error names the request.
//
// Both versions have copies of their own of the image, and each runs its own code. What they share is the process's: its libraries
// (one that lies beside the image and is found by $ORIGIN is loaded once, as it was for the first version), its environment, its
// threads and locks. A version that shares data with the one before it by unique symbols (STB_GNU_UNIQUE) is refused; what cannot be
// seen from here is data that both share with a third image by such symbols. Some images cannot be unloaded at all, and each version of
// them stays in memory: [Image.Stuck] counts those.
package inprocess
