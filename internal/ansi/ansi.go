// Package ansi is how 8-bit functions of Windows have text: in the ANSI code page, which is another one from country to country, where
// this server has UTF-8. On other systems there is one text for all, and every function answers what it was given.
//
// What is in the code page and what is not: see docs/decisions/why-the-code-page-is-the-systems.md.
package ansi

import "unicode/utf8"

// Plain tells whether text is the same everywhere.
func Plain(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
