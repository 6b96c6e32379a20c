package wire

import (
	"io"
	"net/http"
	"testing"
)

// BenchmarkDo is a request and its answer over a socket within one process: a header of ten lines there, one of two and a short
// page back. parallel has 32 clients.
func BenchmarkDo(b *testing.B) {
	text := make([]byte, 300)
	serve := func(x *Exchange) {
		h := x.Header()
		h["Content-Type"] = []string{"text/html"}
		h["Content-Length"] = []string{"300"}
		x.WriteHeader(200)
		_, _ = x.Write(text)
		x.End(ended(200))
	}
	request := func() *Request {
		q := get()
		q.HTTP.Host, q.HTTP.Remote, q.HTTP.Local = "localhost:8080", "127.0.0.1:54321", "127.0.0.1:8080"
		q.HTTP.Header = http.Header{}
		for _, name := range []string{"Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Connection", "Cookie", "Referer", "User-Agent", "X-A", "X-B"} {
			q.HTTP.Header[name] = []string{"a value of usual length"}
		}
		return q
	}
	b.Run("one", func(b *testing.B) {
		front, _ := pair(b, serve)
		q, a := request(), &client{}
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := front.Do(b.Context(), &page{}, q, nil, nil, a, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		front, _ := pair(b, serve)
		b.ReportAllocs()
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			q, a := request(), &client{}
			for pb.Next() {
				if _, _, err := front.Do(b.Context(), &page{}, q, nil, nil, a, nil); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkStream is a body of the answer, in bytes per second.
func BenchmarkStream(b *testing.B) {
	chunk := make([]byte, 64<<10)
	front, _ := pair(b, func(x *Exchange) {
		_, _ = io.Copy(writerOnly{x}, x.Body())
		x.End(ended(200))
	})
	b.ReportAllocs()
	b.SetBytes(int64(len(chunk)))
	n := 0
	body := readerFunc(func(p []byte) (int, error) {
		if n == 0 {
			return 0, io.EOF
		}
		k := min(n, len(p))
		n -= k
		return k, nil
	})
	n = b.N * len(chunk)
	if _, _, err := front.Do(b.Context(), &page{}, post(-1), body, nil, &client{}, nil); err != nil {
		b.Fatal(err)
	}
}
