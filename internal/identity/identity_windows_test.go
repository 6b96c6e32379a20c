package identity_test

import (
	"testing"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/identity"
)

func user(t *testing.T, token windows.Token) string {
	t.Helper()
	u, err := token.GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	return u.User.Sid.String()
}

func self(t *testing.T) string {
	t.Helper()
	var own windows.Token
	if err := windows.OpenProcessToken(windows.CurrentProcess(), windows.TOKEN_QUERY, &own); err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	return user(t, own)
}

// TestToken: it is the account of this process, and no image can close it.
func TestToken(t *testing.T) {
	h, err := identity.Token()
	if err != nil {
		t.Fatal(err)
	}
	token := windows.Token(h)
	if got, want := user(t, token), self(t); got != want {
		t.Errorf("the token is that of %s, want %s", got, want)
	}
	if err := token.Close(); err == nil {
		t.Error("it could be closed")
	}
	if again, err := identity.Token(); again != h || err != nil || user(t, windows.Token(again)) == "" {
		t.Errorf("the second token is %#x, %v, want %#x", again, err, h)
	}
}

// TestCopy: every caller has one of its own, with which it can do what it likes.
func TestCopy(t *testing.T) {
	a, err := identity.Copy()
	if err != nil {
		t.Fatal(err)
	}
	b, err := identity.Copy()
	if err != nil {
		t.Fatal(err)
	}
	if a == b {
		t.Errorf("two copies are %#x", a)
	}
	if err := windows.CloseHandle(windows.Handle(a)); err != nil {
		t.Error(err)
	}
	var primary windows.Token // what a program is started with
	if err := windows.DuplicateTokenEx(windows.Token(b), windows.MAXIMUM_ALLOWED, nil, windows.SecurityImpersonation, windows.TokenPrimary, &primary); err != nil {
		t.Error(err)
	}
	_ = primary.Close()
	if err := windows.CloseHandle(windows.Handle(b)); err != nil {
		t.Error(err)
	}
}
