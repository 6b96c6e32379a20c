package executor

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// BasicScheme is the authentication scheme of names and passwords.
const BasicScheme = "Basic"

// Credentials are the name and the password that a request has. given is false if it has none, or some of another scheme; good is
// false if they cannot be read. All who look at them do it by this, so that nobody sees another name than the others.
func Credentials(r *http.Request) (name, password string, given, good bool) {
	lines := r.Header["Authorization"]
	if len(lines) != 1 {
		return "", "", false, len(lines) == 0 // of several, others may see another one
	}
	scheme, text, _ := strings.Cut(lines[0], " ")
	if !strings.EqualFold(scheme, BasicScheme) {
		return "", "", false, true
	}
	both, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	name, password, ok := strings.Cut(string(both), ":")
	if err != nil || !ok {
		return "", "", true, false
	}
	return name, password, name != "" || password != "", true
}
