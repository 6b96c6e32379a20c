package accesslog

import "net/http"

// Refused is the Windows error code that IIS logs where the server itself has refused a request with a status; 0: none.
func Refused(status, substatus int) uint32 {
	const (
		fileNotFound     = 2
		accessDenied     = 5
		notSupported     = 50
		disabledByPolicy = 1260
		logonFailure     = 1326
	)
	switch {
	case status == http.StatusUnauthorized && substatus == 1:
		return logonFailure
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return accessDenied
	case status != http.StatusNotFound:
		return 0
	}
	switch substatus {
	case 0, 4: // 4: nothing answers for it
		return fileNotFound
	case 2: // an image that is not allowed
		return disabledByPolicy
	case 3: // a file of no known type
		return notSupported
	}
	return 0 // a limit
}
