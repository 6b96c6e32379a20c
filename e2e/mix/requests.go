package mix

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
)

// operation is something a client does.
type operation struct {
	name    string
	weight  int // how often, compared with the others
	body    int // bytes that are sent
	chunked bool
	query   string
	answer  int  // bytes behind the line of the answer
	stream  bool // the answer does not tell its length
}

var operations = []operation{
	{name: "GET", weight: 60, query: "size=700", answer: 700},
	{name: "GET of a stream", weight: 12, query: "stream&size=100000", answer: 100_000, stream: true},
	{name: "slow GET", weight: 6, query: "sleep=20"},
	{name: "POST 16 KiB", weight: 14, body: 16 << 10},
	{name: "POST 1 MiB", weight: 1, body: 1 << 20},
	{name: "chunked POST", weight: 7, body: 100_000, chunked: true},
}

// weights is the sum of them.
var weights = func() (n int) {
	for _, o := range operations {
		n += o.weight
	}
	return n
}()

// choose picks the i-th operation of a client: all of them first, and then by chance.
func choose(i int, chance *rand.Rand) *operation {
	if i < len(operations) {
		return &operations[i]
	}
	n := chance.IntN(weights)
	for o := range operations {
		if n -= operations[o].weight; n < 0 {
			return &operations[o]
		}
	}
	panic("unreachable")
}

// What is sent are parts of one block, and what is received behind the line of the answer are letters.
var (
	block   = randomBlock(1<<20 + starts)
	letters = bytes.Repeat([]byte("abcdefghijklmnopqrstuvwxyz"), 1+100_000/26)
	sums    = sumsOfBlock() // by length and start of the part
)

const starts = 8

func randomBlock(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return b
}

func sumsOfBlock() map[int][starts]uint64 {
	all := map[int][starts]uint64{}
	for _, o := range operations {
		var s [starts]uint64
		for start := range s {
			h := fnv.New64a()
			_, _ = h.Write(block[start : start+o.body]) // never fails
			s[start] = h.Sum64()
		}
		all[o.body] = s
	}
	return all
}

// once is a body that net/http cannot send a second time, because it does not know how to get it again.
type once struct{ io.Reader }

func (once) Close() error { return nil }

// request makes the request, and the line its answer must begin with but for the version.
func (o *operation) request(url string, major int, chance *rand.Rand) (r *http.Request, rest string, err error) {
	start := chance.IntN(starts)
	rest = fmt.Sprintf(" length=%d fnv=%016x\n", o.body, sums[o.body][start])
	method, body := http.MethodGet, io.Reader(nil)
	if o.body > 0 {
		method = http.MethodPost
	}
	// An empty body that cannot be had again keeps HTTP/1.1 from repeating a GET. Over HTTP/2 it would be sent, and there only what
	// the server says it has not seen is repeated.
	if o.body > 0 || major == 1 {
		body = once{bytes.NewReader(block[start : start+o.body])}
	}
	r, err = http.NewRequest(method, url+"?"+o.query, body) //nolint:noctx // the caller gives it one
	if err == nil && !o.chunked {
		r.ContentLength = int64(o.body)
	}
	return r, rest, err
}

// check reads an answer to its end and returns the version it comes from.
func (o *operation) check(resp *http.Response, c connection, rest string, buf *bytes.Buffer) (version int, err error) {
	buf.Reset()
	if _, err := buf.ReadFrom(io.LimitReader(resp.Body, int64(o.answer+1000))); err != nil {
		return 0, brokenError{err}
	}
	text := buf.Bytes()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %q", resp.Status, text[:min(len(text), 200)])
	}
	number := resp.Header.Get("X-Version")
	if version, err = strconv.Atoi(number); err != nil {
		return 0, fmt.Errorf("the answer has X-Version %q", number)
	}
	line := "swapver " + number + rest
	length := int64(len(line) + o.answer)
	if o.stream {
		length = -1
	}
	switch {
	case !strings.HasPrefix(string(text[:min(len(text), len(line))]), line):
		return 0, fmt.Errorf("the answer begins with %q, want %q", text[:min(len(text), 200)], line)
	case !bytes.Equal(text[len(line):], letters[:o.answer]):
		return 0, fmt.Errorf("%d bytes behind the line are not the letters they should be, %d", len(text)-len(line), o.answer)
	case resp.ContentLength != length:
		return 0, fmt.Errorf("the answer's length is said to be %d, want %d", resp.ContentLength, length)
	case resp.ProtoMajor != c.major || (resp.TLS != nil) != c.tls:
		return 0, fmt.Errorf("the answer came by %s, TLS %v", resp.Proto, resp.TLS != nil)
	}
	return version, nil
}
