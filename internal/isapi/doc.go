// Package isapi is the binary interface of ISAPI in pure Go: codes and their names, structure layouts, and the parsers of
// the texts that cross it (status lines and header blocks). It loads nothing and calls nothing.
//
// Names are those of the Windows SDK's HttpExt.h without their common prefix where Go's package name says it, and in full
// in everything a person reads.
package isapi
