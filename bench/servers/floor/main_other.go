//go:build !linux

package main

import "log"

func main() { log.Fatal("floor: this runs on Linux only") }
