package admin

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
)

// Token is what lets its bearer in over TCP.
type Token struct {
	Name string // for the log
	File string // its first line is the token; spaces around it do not count
	Role Role
}

// Limits of tokens, in bytes.
const (
	minToken = 16
	maxToken = 4 << 10
)

// read is what the file says now: who replaces it replaces the token.
func (t *Token) read() ([]byte, error) {
	st, err := os.Stat(t.File)
	if err != nil {
		return nil, err
	}
	if open := st.Mode().Perm() & 0o007; open != 0 && ownsFiles {
		return nil, fmt.Errorf("everybody can get at %s: take that from them (chmod o-rwx)", t.File)
	}
	return readToken(t.File)
}

// ReadToken is the token in a file, for a client.
func ReadToken(file string) (string, error) {
	token, err := readToken(file)
	return string(token), err
}

func readToken(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	data, _, _ = bytes.Cut(data, []byte("\n"))
	data = bytes.TrimSpace(data)
	switch {
	case len(data) < minToken:
		return nil, fmt.Errorf("the token in %s has %d characters, fewer than %d: anybody could guess it", file, len(data), minToken)
	case len(data) > maxToken:
		return nil, fmt.Errorf("%s is %d bytes long: it is no token", file, len(data))
	case bytes.ContainsFunc(data, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, fmt.Errorf("the token in %s has other characters than those of ASCII that can be seen", file)
	}
	return data, nil
}

// check says what is wrong with a token, or nil.
func (t *Token) check() error {
	if t.Role != RoleRead && t.Role != RoleControl {
		return fmt.Errorf("the role of token %q is %q: it can be %s or %s", t.Name, t.Role, RoleRead, RoleControl)
	}
	_, err := t.read()
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; make one, as with: (umask 077; openssl rand -hex 32 > %s)", err, t.File)
	}
	return err
}

// bearers lets in who shows a token.
func bearers(tokens []Token) func(*http.Request) (caller, *Error) {
	return func(r *http.Request) (caller, *Error) {
		who := caller{peer: unknown, from: r.RemoteAddr}
		scheme, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if shown == "" || !strings.EqualFold(scheme, "Bearer") {
			return who, &Error{http.StatusUnauthorized, "no token was shown", "send the header Authorization: Bearer TOKEN; commands do so with --token-file"}
		}
		sum := sha256.Sum256([]byte(shown))
		for i := range tokens { // all of them: the time says nothing
			right, err := tokens[i].read()
			if err != nil {
				continue // it was there when the server started; nobody can show it now
			}
			if want := sha256.Sum256(right); subtle.ConstantTimeCompare(sum[:], want[:]) == 1 {
				who.token, who.role = tokens[i].Name, tokens[i].Role
			}
		}
		if who.role == "" {
			return who, &Error{http.StatusUnauthorized, "the token is not one of this server", "the files below control.tokens of its configuration have them"}
		}
		return who, nil
	}
}
