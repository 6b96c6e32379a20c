// Package inprocess runs an image inside this process, and replaces it there while it runs requests.
package inprocess
