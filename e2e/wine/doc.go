// Package wine has the tests of a whole server on Linux that serves libraries of Windows beside those of Linux: the workers of the former run
// under Wine. Each of its promises is tried with a DLL: swaps, crashes, kills, snoop, filters.
package wine
