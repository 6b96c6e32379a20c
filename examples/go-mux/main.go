//go:build cgo

// Go-mux is an ISAPI extension written in Go: an http.ServeMux with four routes. Build it with
//
//	go build -buildmode=c-shared -o go-mux.so ./examples/go-mux
//
// The routes see what belongs to the extension (PATH_INFO), so it can be mounted anywhere:
//
//	GET  …/go-mux.so/hello/{name}   a greeting
//	POST …/go-mux.so/echo           the request body, as it comes
//	GET  …/go-mux.so/ticks?n=5      n lines, each sent when it is ready
//	GET  …/go-mux.so/variables      server variables as JSON
package main

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"time"

	isapi "github.com/isapid/isapid/sdk/go"
)

func init() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{name}", hello)
	mux.HandleFunc("POST /echo", echo)
	mux.HandleFunc("GET /ticks", ticks)
	mux.HandleFunc("GET /variables", variables)
	isapi.Describe("Go mux example")
	isapi.Handle(isapi.PathInfo(mux))
}

func main() {} // never called: the library has no main program

var page = template.Must(template.New("hello").Parse("<!doctype html>\n<title>Hello</title>\n<p>Hello, {{.}}!</p>\n"))

func hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = page.Execute(w, r.PathValue("name"))
}

func echo(w http.ResponseWriter, r *http.Request) {
	if t := r.Header.Get("Content-Type"); t != "" {
		w.Header().Set("Content-Type", t)
	}
	_, _ = io.Copy(w, r.Body)
}

// ticks sends a line at a time, and stops early when the client is gone.
func ticks(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("n"))
	if err != nil || n < 1 || n > 1000 {
		http.Error(w, "n must be a number from 1 to 1000", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	flusher := http.NewResponseController(w)
	for i := range n {
		fmt.Fprintf(w, "tick %d of %d\n", i+1, n)
		if flusher.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func variables(w http.ResponseWriter, r *http.Request) {
	ecb := isapi.FromContext(r.Context())
	values := map[string]string{}
	for _, name := range []string{"SERVER_SOFTWARE", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "APPL_PHYSICAL_PATH"} {
		value, err := ecb.ServerVariable(name)
		if err != nil {
			value = err.Error()
		}
		values[name] = value
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(values)
}
