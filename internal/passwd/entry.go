package passwd

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Kind is a kind of hash.
type Kind string

// The kinds of hashes.
const (
	Argon2id Kind = "argon2id"
	Bcrypt   Kind = "bcrypt"
)

// What new hashes cost: some 50 ms.
const (
	newMemory = 19 << 10 // KiB
	newPasses = 2
	newCost   = 10
)

// Entry makes the line of a user, without a line end.
func Entry(name, password string, kind Kind) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	if err := checkPassword(password); err != nil {
		return "", err
	}
	switch kind {
	case Argon2id:
		h := argonHash{time: newPasses, memory: newMemory, threads: 1, salt: make([]byte, 16)}
		if _, err := rand.Read(h.salt); err != nil {
			return "", err
		}
		h.sum = argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, 32)
		return name + ":" + h.String(), nil
	case Bcrypt:
		h, err := bcrypt.GenerateFromPassword([]byte(password), newCost)
		if err != nil {
			return "", errors.New("bcrypt takes passwords of up to 72 bytes; argon2id takes longer ones")
		}
		return name + ":" + string(h), nil
	}
	return "", fmt.Errorf("hash %q is not known; there are %s and %s", kind, Argon2id, Bcrypt)
}

// checkPassword refuses what clients do not send.
func checkPassword(password string) error {
	switch {
	case password == "":
		return errors.New("the password is empty")
	case len(password) > maxText:
		return fmt.Errorf("the password is longer than %d bytes", maxText)
	case strings.ContainsFunc(password, unicode.IsControl):
		return errors.New("the password holds a control character")
	}
	return nil
}
