// Package passwd checks names and passwords against a password file: a line "name:hash" for each user, in which the hash is bcrypt or
// argon2id. Weaker hashes are refused when the file is read.
//
// A [File] follows its file: it is looked at once a second at most, and read again when it has changed. Checking a hash takes long on
// purpose; what was right or wrong once is remembered until the file changes, and the process checks only some at a time, so that a flood of
// wrong passwords leaves processors to others.
package passwd
