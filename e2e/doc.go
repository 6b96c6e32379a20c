// Package e2e has the tests of whole servers under load: a front with everything below it, real clients on real sockets. Each has a
// short form, and a long one that runs when ISAPID_SOAK is set.
package e2e
