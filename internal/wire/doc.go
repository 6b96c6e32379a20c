// Package wire is the protocol between front and worker: one stream, multiplexed. PROTOCOL.md beside this file says what is on it.
// The order in which to read the code:
//
//	frame.go, codec.go   frames and what they are made of
//	messages.go, http.go requests, heads and results as bytes
//	filtered.go          the same of requests that go through filters
//	facts.go, log.go     answers to what a worker asks; lines of its log
//	stream.go            what it is over: a socket, or two pipes
//	link.go, send.go,
//	receive.go           one end of the stream: who reads, who writes
//	call.go, answer.go,
//	question.go, pump.go an exchange, from the end that asks
//	serve.go, reply.go   an exchange, from the end that answers
//	bodyerror.go         why a body has no more bytes, the same at both ends
//	region.go, lend.go   memory that both ends have, for large bodies
//	control.go,
//	telling.go           questions and notes of the link
//	tracing.go           calls of images, for somebody who listens, and the board
//
// Both ends treat the other as hostile: every length, id and state is checked, and what breaks a rule ends the link with a
// [*ProtocolError]. Nothing here blocks for another exchange than its own: a slow client costs a bounded buffer, never a worker.
package wire
