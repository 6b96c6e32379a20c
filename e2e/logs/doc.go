// Package logs has tests of what a real isapid writes down: the access log, which a real GoAccess reads, and the log.
package logs
