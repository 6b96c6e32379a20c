// Package identity has the tokens that images ask for, which were written for a server that impersonated its users. This one
// impersonates nobody: code of images runs on behalf of the account of this process, and so says every token.
package identity

import (
	"fmt"
	"sync"

	"golang.org/x/sys/windows"
)

// protectFromClose is HANDLE_FLAG_PROTECT_FROM_CLOSE.
const protectFromClose = 2

var shared = sync.OnceValues(func() (windows.Token, error) {
	t, err := duplicate()
	if err != nil {
		return 0, err
	}
	err = windows.SetHandleInformation(windows.Handle(t), protectFromClose, protectFromClose)
	if err != nil {
		_ = t.Close()
		return 0, fmt.Errorf("protect the token of this process: %w", err)
	}
	return t, nil
})

// Token is a token to impersonate this process by. It is there for all, as long as the process: a CloseHandle of an image that takes it
// for its own fails.
func Token() (handle uintptr, err error) {
	t, err := shared()
	return uintptr(t), err
}

// Copy is such a token for one caller, who has to close it.
func Copy() (handle uintptr, err error) {
	t, err := duplicate()
	return uintptr(t), err
}

func duplicate() (windows.Token, error) {
	var own windows.Token
	if err := windows.OpenProcessToken(windows.CurrentProcess(), windows.TOKEN_DUPLICATE, &own); err != nil {
		return 0, fmt.Errorf("open the token of this process: %w", err)
	}
	defer own.Close()
	var t windows.Token
	err := windows.DuplicateTokenEx(own, windows.MAXIMUM_ALLOWED, nil, windows.SecurityImpersonation, windows.TokenImpersonation, &t)
	if err != nil {
		return 0, fmt.Errorf("duplicate the token of this process: %w", err)
	}
	return t, nil
}
