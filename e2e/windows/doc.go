// Package windows has the tests of isapid.exe as its users have it, on the one Windows that a Linux machine has: Wine. The server, its
// commands and its service run in a prefix of their own; clients are outside.
package windows
