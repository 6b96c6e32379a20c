// Package underwine tells whether this Windows is Wine, which does some things in its own way.
package underwine
