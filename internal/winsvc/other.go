//go:build !windows

package winsvc

import "context"

// Install makes a service.
func Install(*Service) error { return ErrNotHere }

// Uninstall ends a service and removes it.
func Uninstall(context.Context, string) error { return ErrNotHere }

// Start starts a service.
func Start(context.Context, string) (State, error) { return State{}, ErrNotHere }

// Stop ends a service.
func Stop(context.Context, string) error { return ErrNotHere }

// Query says how a service is.
func Query(string) (State, error) { return State{}, ErrNotHere }

// Here tells whether this system has such services.
const Here = false
