// Package replay has the tests of record and replay: requests of clients are recorded from a real server, and played to builds that are the same, or differ in one
// thing, by the commands as users have them.
package replay
