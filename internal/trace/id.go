package trace

import (
	"encoding/base32"
	"encoding/binary"
	"errors"
	"strings"
)

var idText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// FormatID is the number of a request as people and logs read it: 13 letters and digits.
func FormatID(id uint64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], id)
	return idText.EncodeToString(b[:])
}

// ParseID is the other end. Case does not count.
func ParseID(s string) (uint64, error) {
	var b [8]byte
	if len(s) == 13 {
		if n, err := idText.Decode(b[:], []byte(strings.ToLower(s))); err == nil && n == 8 {
			return binary.BigEndian.Uint64(b[:]), nil
		}
	}
	return 0, errors.New("it is no request: that has 13 letters and digits, as \"isapid requests\" shows them")
}
