// Package update is the protocol of files by which an image is replaced: NAME.update beside it is to take its place, what gave way
// is kept as NAME.backup, what was refused as NAME.failed, and a journal says what happened.
//
// # Who does what
//
// [Watcher] says that something happened in a folder. [Files.Look] says whether there is a candidate: a file that is completely
// there and is not what runs. Whoever loads images tries it, and then calls [Files.Accept] (it takes the place of what runs),
// [Files.Reject] (it is put aside) or, when it served and turned out bad, [Files.TakeBack].
//
// # Whenever it stops
//
// Each of these changes names only when the bytes they stand for are on the disk, and takes the run file's place by one
// rename. So at every instant a complete run file exists, the old or the new one, and [Files.Recover] finishes or undoes the rest. A
// lock file keeps processes that watch the same folder from taking the same candidate.
package update
