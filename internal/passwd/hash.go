package passwd

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// hash is what a file has of a password.
type hash interface {
	matches(password string) bool // takes long
	lanes() int64                 // processors that takes
}

const (
	mostCost   = 17      // of bcrypt: some seconds
	mostMemory = 1 << 20 // of argon2id, in KiB
	mostWork   = 4 << 20 // of argon2id, in KiB times passes: some seconds
	mostLanes  = 16
)

// parseHash takes a hash as it stands in a file. The error does not repeat it.
func parseHash(text string) (hash, error) {
	switch {
	case bcryptText.MatchString(text):
		return parseBcrypt(text)
	case strings.HasPrefix(text, "$argon2id$"):
		return parseArgon(text)
	}
	return nil, fmt.Errorf(`%s; only bcrypt and argon2id are taken: make the line anew with "isapid passwd"`, unfit(text))
}

// unfit names a hash that is not taken.
func unfit(text string) string {
	for _, known := range []struct{ prefix, name string }{
		{"$apr1$", "an MD5 hash (apr1)"},
		{"$1$", "an MD5 hash (crypt)"},
		{"$2", "a bcrypt hash with an error in it, or of a broken kind"},
		{"$5$", "a SHA-256 hash (crypt)"},
		{"$6$", "a SHA-512 hash (crypt)"},
		{"$7$", "an scrypt hash"},
		{"$y$", "a yescrypt hash"},
		{"$argon2", "an argon2 hash that is not argon2id"},
		{"{SHA}", "a SHA-1 hash"},
		{"{SSHA}", "a SHA-1 hash"},
	} {
		if strings.HasPrefix(text, known.prefix) {
			return known.name
		}
	}
	if desText.MatchString(text) {
		return "a DES hash (crypt), or a password in clear text"
	}
	return "a password in clear text, or a hash of an unknown kind"
}

var (
	bcryptText = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)
	argonText  = regexp.MustCompile(`^\$argon2id\$v=19\$m=([1-9][0-9]{0,8}),t=([1-9][0-9]{0,8}),p=([1-9][0-9]{0,8})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$`)
	desText    = regexp.MustCompile(`^[./A-Za-z0-9]{13}$`)
)

type bcryptHash []byte

func parseBcrypt(text string) (hash, error) {
	if cost, err := bcrypt.Cost([]byte(text)); err != nil || cost < bcrypt.MinCost || cost > mostCost {
		return nil, fmt.Errorf("a bcrypt hash with a cost that is not %d to %d", bcrypt.MinCost, mostCost)
	}
	return bcryptHash(text), nil
}

func (h bcryptHash) matches(password string) bool {
	return bcrypt.CompareHashAndPassword(h, []byte(password)) == nil
}

func (bcryptHash) lanes() int64 { return 1 }

type argonHash struct {
	time, memory uint32 // passes, and KiB
	threads      uint8
	salt, sum    []byte
}

// parseArgon takes a PHC string.
func parseArgon(text string) (hash, error) {
	m := argonText.FindStringSubmatch(text)
	if m == nil {
		return nil, errors.New("an argon2id hash that is not of the form $argon2id$v=19$m=…,t=…,p=…$salt$hash")
	}
	var n [3]uint64
	for i := range n {
		n[i], _ = strconv.ParseUint(m[i+1], 10, 32) // nine digits always fit
	}
	memory, passes, lanes := n[0], n[1], n[2]
	switch {
	case lanes > mostLanes:
		return nil, fmt.Errorf("an argon2id hash with p=%d; at most %d is taken", lanes, mostLanes)
	case memory < 8*lanes || memory > mostMemory || memory*passes > mostWork:
		return nil, fmt.Errorf("an argon2id hash with m=%d and t=%d; taken is m from 8 times p to %d, and m times t up to %d", memory, passes, mostMemory, mostWork)
	}
	salt, errSalt := base64.RawStdEncoding.Strict().DecodeString(m[4])
	sum, errSum := base64.RawStdEncoding.Strict().DecodeString(m[5])
	if errSalt != nil || errSum != nil || len(salt) < 8 || len(salt) > 64 || len(sum) < 16 || len(sum) > 64 {
		return nil, errors.New("an argon2id hash whose salt is not 8 to 64 bytes in base64, or whose hash is not 16 to 64")
	}
	return &argonHash{time: uint32(passes), memory: uint32(memory), threads: uint8(lanes), salt: salt, sum: sum}, nil
}

func (h *argonHash) matches(password string) bool {
	sum := argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, uint32(len(h.sum)))
	return subtle.ConstantTimeCompare(sum, h.sum) == 1
}

func (h *argonHash) lanes() int64 { return int64(h.threads) }

// String returns the hash as it stands in a file.
func (h *argonHash) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.threads, b64(h.salt), b64(h.sum))
}
