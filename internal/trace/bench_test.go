package trace

import "testing"

type away struct{}

func (away) Batch(uint32, []byte, int, int) {}

// BenchmarkCall asks: what does it cost to take down one call with a text, a value that is looked at for secrets, and two numbers?
func BenchmarkCall(b *testing.B) {
	var tap Tap
	if err := tap.Set([]Subscription{{1, Filter{}}}, away{}); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = tap.Set(nil, nil) }()
	r := tap.Begin(&About{Request: 1})
	defer r.End()
	name, value := []byte("SERVER_PROTOCOL"), []byte("HTTP/1.1")
	b.ReportAllocs()
	for b.Loop() {
		c := r.Call(image, GetServerVariable, 0)
		c.Bytes("name", name)
		c.Num("size", 100)
		c.Go()
		c.Back(1, 0)
		c.Value("value", c.Said(0), value)
		c.Num("size", 9)
		c.End()
	}
}

// BenchmarkBegin asks: what does a request cost that somebody who listens does not want, and one that he does?
func BenchmarkBegin(b *testing.B) {
	a := About{Request: 7, Site: "shop", App: "/cart", Image: "/srv/isapi/counter.so", Client: "10.1.2.3:4711", URL: "/cart/app.dll/x", Method: "GET"}
	for _, c := range []struct {
		name string
		f    Filter
	}{
		{"other image", Filter{Image: "other"}}, {"other url", Filter{URL: "/x/*"}}, {"other client", Filter{Client: "11.0.0.0/8"}},
		{"sampled away", Filter{Sample: 1e-9}}, {"taken", Filter{}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var tap Tap
			if err := tap.Set([]Subscription{{1, c.f}}, away{}); err != nil {
				b.Fatal(err)
			}
			defer func() { _ = tap.Set(nil, nil) }()
			b.ReportAllocs()
			for b.Loop() {
				r := tap.Begin(&a)
				r.End()
			}
		})
	}
}
