// Package update is the protocol of files by which an image is replaced: NAME.update beside it is to take its place, what gave way
// is kept as NAME.backup, what was refused as NAME.failed, and a journal says what happened.
package update
