// Probe is the extension the tests of package isapi run in a host: each route shows one thing.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	isapi "github.com/isapid/isapid/sdk/go"
)

func init() {
	isapi.Describe("probe")
	isapi.Handle(routes())
}

func main() {}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/app.so/request", request)
	mux.HandleFunc("/app.so/body", body)
	mux.HandleFunc("/app.so/answer", answer)
	mux.HandleFunc("/app.so/panic", fail)
	mux.HandleFunc("/app.so/flush", flush)
	mux.HandleFunc("/app.so/release", func(http.ResponseWriter, *http.Request) { release <- struct{}{} })
	mux.HandleFunc("/app.so/endless", endless)
	mux.HandleFunc("/app.so/ended", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, <-ended) })
	mux.HandleFunc("/app.so/leak", leak)
	mux.HandleFunc("/app.so/leaked", leaked)
	mux.HandleFunc("/app.so/block", block)
	mux.HandleFunc("/app.so/terminate", terminate)
	mux.Handle("/app.so/pathinfo/", isapi.PathInfo(http.HandlerFunc(request)))
	return mux
}

// request tells what the handler sees.
func request(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"Method": r.Method, "Path": r.URL.Path, "RawPath": r.URL.RawPath, "Query": r.URL.RawQuery,
		"RequestURI": r.RequestURI, "Proto": r.Proto, "Major": r.ProtoMajor, "Host": r.Host,
		"RemoteAddr": r.RemoteAddr, "Header": r.Header, "Length": r.ContentLength, "TLS": r.TLS != nil,
	})
}

// body reads in small pieces, so that read-ahead and ReadClient both have their turn.
func body(w http.ResponseWriter, r *http.Request) {
	sum := crc32.NewIEEE()
	n, err := io.CopyBuffer(sum, struct{ io.Reader }{r.Body}, make([]byte, 1000))
	fmt.Fprintf(w, "length=%d read=%d crc=%d err=%v", r.ContentLength, n, sum.Sum32(), err)
}

// answer sends what the query asks for: status, announced length, size of the body, write size, headers.
func answer(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for _, h := range q["h"] {
		name, value, _ := strings.Cut(h, ":")
		w.Header().Add(name, value)
	}
	if s := q.Get("status"); s != "" {
		w.WriteHeader(number(s))
	}
	step := max(number(q.Get("step")), 1)
	for left := number(q.Get("size")); left > 0; left -= step {
		_, err := io.WriteString(w, strings.Repeat("x", min(step, left)))
		if err != nil {
			_ = isapi.FromContext(r.Context()).AppendLog("err=" + err.Error())
			return
		}
	}
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// fail panics, before or after the first bytes went out.
func fail(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Lost", "yes")
	fmt.Fprint(w, "lost")
	if r.FormValue("sent") != "" {
		_ = http.NewResponseController(w).Flush()
	}
	switch r.FormValue("kind") {
	case "abort":
		panic(http.ErrAbortHandler)
	case "nil":
		var p *http.Request
		p.Method = "fault" // a real fault, which the library's own runtime turns into a panic
	default:
		panic("on purpose")
	}
}

var release = make(chan struct{})

func flush(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, "one")
	w.(http.Flusher).Flush()
	<-release
	fmt.Fprintln(w, "two")
}

var ended = make(chan string, 1)

// endless writes until that fails; then the context must have ended, too.
func endless(w http.ResponseWriter, r *http.Request) {
	block := make([]byte, 64<<10)
	for {
		if _, err := w.Write(block); err != nil {
			<-r.Context().Done()
			_, again := w.Write(block)
			ended <- fmt.Sprintf("errno=%t sticky=%t", errors.As(err, new(isapi.Errno)), again != nil)
			return
		}
	}
}

var late = make(chan *http.Request, 1)

func leak(_ http.ResponseWriter, r *http.Request) { late <- r }

// leaked uses what leak left behind after its request has ended.
func leaked(w http.ResponseWriter, _ *http.Request) {
	r := <-late
	_, variable := isapi.FromContext(r.Context()).ServerVariable("URL")
	_, read := r.Body.Read(make([]byte, 1))
	fmt.Fprintf(w, "variable=%t body=%t context=%t", errors.Is(variable, isapi.ErrEnded), read != nil, r.Context().Err() != nil)
}

// block shows the control block.
func block(w http.ResponseWriter, r *http.Request) {
	c := isapi.FromContext(r.Context())
	switch r.FormValue("do") {
	case "variable":
		v, err := c.ServerVariable(r.FormValue("arg"))
		fmt.Fprintf(w, "%s missing=%t", v, errors.Is(err, isapi.ErrInvalidIndex))
	case "map":
		v, err := c.MapPath(r.FormValue("arg"))
		fmt.Fprintf(w, "%s err=%v", v, err)
	case "log":
		fmt.Fprintf(w, "err=%v", c.AppendLog(r.FormValue("arg")))
	case "count":
		fmt.Fprintf(w, "err=%v", c.Count(r.FormValue("arg"), 2.5, r.Form["label"]...))
	}
}

// terminate has the shutdown function leave a mark.
func terminate(_ http.ResponseWriter, r *http.Request) {
	mark := r.FormValue("mark")
	isapi.OnTerminate(func() { _ = os.WriteFile(mark, []byte("terminated"), 0o600) })
}
