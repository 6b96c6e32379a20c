package wire

import (
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// Topic is what a question is about.
type Topic uint8

// Topics of questions.
const (
	AskMap        Topic = 1 + iota // URL path → Mapping
	AskAlive                       // is the client there?
	AskAbort                       // close the connection now
	AskReset                       // close it with a reset when the response is over
	AskDescriptor                  // the client's socket
	AskRoute                       // a request that filters have changed → Routed
	AskLogon                       // Logon → User; no: denied
	topics
)

// refuse answers a question that nobody is there for any more; 0 is a FILE. c.mu is held.
func (c *Call) refuse(id uint64) {
	b := begin(nil, kReply, flagFailed, c.id)
	b = appendUint(b, id)
	if id == 0 {
		c.filing = false
		b = appendUint(b, 0)
	}
	c.l.write(end(b, 0))
}

// question has a question answered.
func (c *Call) question(f *frame) error {
	d := decoder{b: f.payload}
	id, topic := d.uint(), Topic(d.int(int64(topics-1)))
	if d.bad || id == 0 || topic == 0 {
		return protocolError("CALL cannot be decoded")
	}
	payload := append([]byte(nil), d.b...)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.left, topic == AskDescriptor && c.l.conn.plain:
		c.refuse(id)
		return nil
	case c.asking >= maxCalls:
		return protocolError("more than %d questions at a time", maxCalls)
	}
	c.asking++
	var turn chan struct{}
	if topic == AskAbort {
		// What was sent before it is to reach the client, unless that takes nothing.
		turn = make(chan struct{})
		c.turns = append(c.turns, turn)
		c.keep(&frame{kind: kCall, id: c.id})
		c.l.recv.wake(c)
	}
	c.tasks.Go(func() {
		waitTurn(turn)
		ok, answer, file := c.asker.Question(topic, payload)
		c.mu.Lock()
		c.asking--
		c.mu.Unlock()
		b := begin(nil, kReply, 0, c.id)
		if !ok {
			b[5] |= flagFailed
		}
		b = end(append(appendUint(b, id), answer...), 0)
		if file != nil {
			b[5] |= flagFile
			c.l.writeWithFile(b, file)
			return
		}
		c.l.write(b)
	})
	return nil
}

// abortAfter is how long bytes that were sent before [AskAbort] may take.
const abortAfter = time.Second

func waitTurn(turn <-chan struct{}) {
	if turn == nil {
		return
	}
	t := time.NewTimer(abortAfter)
	defer t.Stop()
	select {
	case <-turn:
	case <-t.C:
	}
}

// nextTurn lets the first question go on that waited for the frames before it.
func (c *Call) nextTurn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.turns) > 0 {
		close(c.turns[0])
		c.turns = c.turns[1:]
	}
}

// adopt runs an exchange that the other end opened for this one.
func (c *Call) adopt(x *Exchange) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left || c.down {
		x.End(Result{Result: executor.Result{Broken: true}})
		return nil
	}
	if c.children == nil {
		c.children = map[*Exchange]struct{}{}
	}
	if len(c.children) >= maxChildren {
		return protocolError("more than %d children of an exchange at a time", maxChildren)
	}
	c.children[x] = struct{}{}
	c.tasks.Go(func() {
		c.asker.Child(x)
		c.mu.Lock()
		delete(c.children, x)
		c.mu.Unlock()
	})
	return nil
}
