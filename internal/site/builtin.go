package site

import (
	"fmt"
	"net/http"
	"strconv"
)

// reasons says what happened, for people. What the client sent is not repeated: a page that does is a hole.
var reasons = map[string]string{
	"301":    "This page is at another address.",
	"400":    "The server does not understand this request.",
	"401":    "You have to sign in to see this page.",
	"401.1":  "The name or the password is not right.",
	"403":    "You may not see this page.",
	"403.2":  "The server may not read this file.",
	"403.14": "The contents of this folder are not listed.",
	"404":    "There is nothing at this address.",
	"404.2":  "The program at this address is not allowed to run on this server.",
	"404.3":  "Files of this kind are not served.",
	"404.4":  "No handler is set up for this address.",
	"404.5":  "The address holds a sequence that is not served.",
	"404.6":  "This method is not served.",
	"404.7":  "Files with this extension are not served.",
	"404.8":  "A part of this address is hidden.",
	"404.9":  "This file is hidden.",
	"404.10": "A header field of the request is too long.",
	"404.11": "The address is escaped twice.",
	"404.12": "The address holds characters that are not served.",
	"404.13": "The request body is too long.",
	"404.14": "The address is too long.",
	"404.15": "The query is too long.",
	"405":    "This address does not answer this method.",
	"406":    "The page does not exist in a form your program accepts.",
	"408":    "The request did not arrive in time.",
	"412":    "The page is not in the state the request expects.",
	"413":    "The request body is too long.",
	"413.1":  "The request body is too long.",
	"414":    "The address is too long.",
	"416":    "The file does not have the part that was asked for.",
	"431":    "The request header is too long.",
	"500":    "The program behind this page could not answer. The server's log says why.",
	"501":    "The server does not know this method.",
	"502":    "The program behind this page gave no valid answer.",
	"503":    "The server cannot answer right now. Please try again later.",
	"503.2":  "Too many requests are running at a time. Please try again later.",
	"504":    "The program behind this page did not answer in time.",
}

// builtinPage is the page of a status that none is configured for.
func builtinPage(status, substatus int) []byte {
	code := strconv.Itoa(status)
	reason := reasons[code]
	if substatus > 0 {
		full := code + "." + strconv.Itoa(substatus)
		if r, ok := reasons[full]; ok {
			reason = r
		}
		code = full
	}
	if reason == "" {
		reason = "The server cannot answer this request."
	}
	title := code
	if text := http.StatusText(status); text != "" {
		title += " " + text
	}
	return fmt.Appendf(nil, `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>%[1]s</title>
<style>body{font:16px/1.5 sans-serif;max-width:40em;margin:4em auto;padding:0 1em;color:#222}h1{font-size:1.4em}</style>
</head>
<body><h1>%[1]s</h1><p>%[2]s</p></body>
</html>
`, title, reason)
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// sendBody sends a complete response. A HEAD request gets the header of it.
func sendBody(w http.ResponseWriter, r *http.Request, status int, mime string, body []byte) {
	if !bodyAllowed(status) {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", mime)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client is gone: there is nobody to tell
	}
}
