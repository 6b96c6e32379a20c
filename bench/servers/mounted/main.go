// Command mounted serves an extension in a Go program's own http.Server, as package isapid is used.
package main

import (
	"flag"
	"log"
	"log/slog"
	"net/http"

	"github.com/isapid/isapid"
	"github.com/isapid/isapid/internal/executor"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8090", "address to listen on")
	image := flag.String("image", "", "library of the extension")
	flag.Parse()
	ext, err := isapid.Open(*image, isapid.WithMount("/hello"), isapid.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(*addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Server"] = []string{executor.Software}
		ext.ServeHTTP(w, r)
	})))
}
