// Command bare answers with the same bytes as testdata/ext/hello.c through nothing but net/http.
package main

import (
	"flag"
	"io"
	"log"
	"net/http"
	"strconv"

	"github.com/isapid/isapid/internal/executor"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8090", "address to listen on")
	flag.Parse()
	log.Fatal(http.ListenAndServe(*addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := "<html><body>hello from " + r.Method + " " + r.URL.Path + "</body></html>\n"
		h := w.Header()
		h["Server"] = []string{executor.Software}
		h["Content-Type"] = []string{"text/html"}
		h["Content-Length"] = []string{strconv.Itoa(len(page))}
		_, _ = io.WriteString(w, page)
	})))
}
