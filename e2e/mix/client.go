package mix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// client asks one thing after another over one kind of connection.
type client struct {
	mix        *Mix
	connection connection
	url        string
	transport  *http.Transport
	chance     *rand.Rand
	answer     bytes.Buffer
	result     Result
}

func newClient(m *Mix, number int, c connection, url string, t *http.Transport) *client {
	return &client{
		mix: m, connection: c, url: url, transport: t, chance: rand.New(rand.NewPCG(uint64(number), 0)),
		result: Result{Kinds: map[string]int64{}, Versions: map[int]Seen{}},
	}
}

// pause is how long a client waits when it got no connection.
const pause = 10 * time.Millisecond

func (c *client) run(ctx context.Context) {
	for i := 0; c.mix.more() && ctx.Err() == nil; i++ {
		if reset := c.ask(ctx, choose(i, c.chance)); reset {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
		c.mix.ended.Add(1)
	}
}

// brokenError is that of a connection.
type brokenError struct{ error }

func (e brokenError) Unwrap() error { return e.error }

// ask makes one request and counts it. It says whether it was reset.
func (c *client) ask(ctx context.Context, o *operation) (reset bool) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.mix.cfg.Limit, errTime)
	defer cancel()
	p := Problem{Kind: o.name + ", " + c.connection.name}
	span := c.mix.versions.now()
	p.Began = time.Now()
	version, id, err := c.exchange(ctx, o)
	p.Ended, p.ID = time.Now(), id
	may, decided := c.mix.versions.since(span, version)

	r := &c.result
	r.Requests++
	r.Kinds[p.Kind]++
	r.Longest = max(r.Longest, p.Ended.Sub(p.Began))
	switch {
	case errors.Is(context.Cause(ctx), errTime) && err != nil:
		r.Failed++
		p.What = fmt.Sprintf("no answer within %v", c.mix.cfg.Limit)
	case errors.As(err, &brokenError{}):
		r.Reset++
		p.What, p.Reset = err.Error(), true
	case err != nil:
		r.Failed++
		p.What = err.Error()
	default:
		r.Versions[version] = r.Versions[version].and(Seen{1, p.Began, p.Ended})
		if decided {
			r.Decided++
		}
		if may {
			return false
		}
		r.Stale++
		p.What = fmt.Sprintf("answered by version %d, which was not to answer then", version)
	}
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, p)
	}
	if c.mix.cfg.Bad != nil {
		c.mix.cfg.Bad(p)
	}
	return p.Reset
}

var errTime = errors.New("time is over")

// exchange sends a request and reads its answer, which may have an id.
func (c *client) exchange(ctx context.Context, o *operation) (version int, id string, err error) {
	r, rest, err := o.request(c.url, c.connection.major, c.chance)
	if err != nil {
		return 0, "", err
	}
	resp, err := c.transport.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return 0, "", brokenError{err}
	}
	defer resp.Body.Close()
	version, err = o.check(resp, c.connection, rest, &c.answer)
	return version, resp.Header.Get("X-Request-Id"), err
}
