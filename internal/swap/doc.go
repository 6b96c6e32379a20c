// Package swap replaces images under load: it takes a candidate through stage, load, probe, canary, commit and watch window, and
// takes a bad one back. The order in which to read it:
//
//	images.go    what a server has: the images, and the policy of each
//	image.go     one image: the version in force, the executors that run it
//	approved.go  the private copy of a version
//	first.go     the first load, and what a server that was killed has left
//	loop.go      the loop of an image: files, orders, the version on trial
//	swap.go      one candidate on its way: stage, load, probe, canary
//	turns.go     who has to wait for whom: one image at a time in shared processes
//	commit.go    the files and the routes change
//	end.go       how it ends: passed, taken back, rejected, given up
//	judge.go     whether a version is worse than the one before
//	rollback.go  earlier versions, and the receipts of all swaps
//	receipt.go   what is told of a swap
//
// What a version is and how an executor replaces it is said in package executor; which files mean what in package update.
package swap
