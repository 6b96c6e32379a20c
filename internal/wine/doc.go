// Package wine finds Wine, makes the folders that it keeps its Windows in, and tells how a Windows worker is started with it.
//
// # What Wine is here
//
// A Windows worker (isapid-worker-amd64.exe, isapid-worker-386.exe) is an ordinary process of Linux: [Find] finds the program that runs
// it, [Wine.Program] is its command line. All processes of one prefix share one wineserver, a process of Wine's that keeps what Windows has
// one of: the registry, the names of events and windows. If it dies they all die.
//
// # The prefix
//
// A prefix is a folder with a C: drive and a registry. [Wine.Prepare] makes one that suits servers: no display, no questions to people, no way
// into the home directory, no debugger that starts when something crashes, and none of the services that a library cannot want. Wine copies
// 700 MB of its own libraries into a new prefix; they are replaced by links to where Wine has them, which leaves 20 MB.
//
// A prefix is made beside its place and renamed to it when it is complete, under a lock, so that it is there whole or not at all. A file
// in it says which Wine and which version of this package it was made by; [Wine.Prepare] brings it up to date if that has changed, and
// keeps what others have put into its registry. A prefix without that file is somebody else's: it is used as it is.
//
// # The server
//
// [Wine.Hold] keeps the wineserver of a prefix running, with nothing of ours open in it, as long as somebody holds it: a worker that starts
// it by itself takes half a second instead of a twentieth, and lends it its standard error, which then stays open after its death.
package wine
