package isapid_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"time"

	"github.com/isapid/isapid"
	"github.com/isapid/isapid/internal/toolchain"
)

// build compiles an example of this repository, as an extension's own build would. The caller removes dir.
func build(source string) (image, dir string) {
	dir, err := os.MkdirTemp("", "isapid-example-")
	if err != nil {
		log.Fatal(err)
	}
	image, err = toolchain.Compile(context.Background(), source, dir, toolchain.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return image, dir
}

// quiet keeps the extension's log out of the example's output.
var quiet = isapid.WithLogger(slog.New(slog.DiscardHandler))

// An extension is one handler among others in a mux.
func ExampleOpen() {
	image, dir := build("examples/counter/counter.c")
	defer os.RemoveAll(dir)

	counter, err := isapid.Open(image, isapid.WithMount("/counter"), isapid.WithThreads(8), quiet)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(counter.Description())

	mux := http.NewServeMux()
	mux.Handle("/counter/", counter)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "home") })
	server := httptest.NewServer(mux)

	hits := regexp.MustCompile(`<td>(/[a-z]+)</td><td align=right>(\d+)</td>`)
	for range 3 {
		resp, err := http.Get(server.URL + "/counter/guestbook")
		if err != nil {
			log.Fatal(err)
		}
		page, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		row := hits.FindSubmatch(page)
		fmt.Printf("%s: %s has %s visitors\n", resp.Status, row[1], row[2])
	}

	// The server first, then the extension: its TerminateExtension runs when no request is left.
	server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := counter.Close(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// counter: you are visitor number ...
	// 200 OK: /guestbook has 1 visitors
	// 200 OK: /guestbook has 2 visitors
	// 200 OK: /guestbook has 3 visitors
}

// What cannot be loaded is told in a sentence.
func ExampleOpen_error() {
	_, err := isapid.Open("options.go")
	fmt.Println(err)
	// Output:
	// load extension "options.go": options.go: a text or source file, not a shared library: compile it, or name the shared library itself (.so or .dll)
}
