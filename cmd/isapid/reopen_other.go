//go:build !unix

package main

import "os"

// reopenSignals are none here.
var reopenSignals []os.Signal

func outliveReopening() {}
