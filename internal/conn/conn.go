// Package conn is the connection under a request: the few things an extension may know or do there that net/http has no
// word for (its descriptor, an abortive close, the reason phrase of a status line, one system call for many pieces).
//
// Package server wraps every accepted connection; package extension finds it with [From]. Under somebody else's
// http.Server there is none, and all methods of a nil *Conn do nothing and say so.
package conn
