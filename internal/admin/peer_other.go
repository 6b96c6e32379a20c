//go:build !linux

package admin

const tellsPeers = false

func credentials(uintptr) peer { return unknown }
