// Package hub is where those who listen to the calls of images meet the processes that have them: this one, and every worker, also one
// that starts later. The order in which to read the code:
//
//	hub.go     who listens (subscriptions), and to what (sources)
//	stream.go  what one of them gets, and what he loses when he is slow
//	remote.go  workers as sources
//	record.go  what is on a stream, for who writes it and who reads it
//	reader.go  a stream, for who reads it
//
// Nobody waits for a listener: what he does not take in time is dropped, and he is told how much it was. What a worker sends is not
// trusted: what its events are about is told by this process, and events of others than its own requests stay anonymous.
package hub
