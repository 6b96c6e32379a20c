package config

import "fmt"

func (v value) pools(c *Config) {
	v.entries("pools", func(name string, at position, item value) {
		if name == "" {
			v.d.errorAt(at, "a pool has an empty name", "")
			return
		}
		p := DefaultPool()
		c.Pools[name] = p
		item.pool(p)
	})
}

func (v value) pool(p *Pool) {
	v.object("pool", fields{
		"mode":       func(v value) { v.mode(&p.Mode) },
		"threads":    func(v value) { v.number(&p.Threads, 1, 4096) },
		"stack":      func(v value) { v.stack(&p.Stack) },
		"queue":      func(v value) { v.number(&p.Queue, 1, 1_000_000) },
		"queue_wait": func(v value) { v.duration(&p.QueueWait, day) },
		"read_ahead": func(v value) { v.sizeInt(&p.ReadAhead, 0, 1<<30) },
		"pending":    func(v value) { v.duration(&p.Pending, day) },
		"flush":      func(v value) { v.duration(&p.Flush, day) },
		"on_fault":   func(v value) { v.onFault(&p.OnFault) },
		"workers":    later("isolated pools"),
		"update":     later("updates of a loaded extension"),
		"health":     later("isolated pools"),
		"recycle":    later("isolated pools"),
	})
}

func (v value) mode(field *PoolMode) {
	if s, ok := scalar(v.node); ok && s == "isolated" {
		v.fail(`mode "isolated" is not in this release`, `use in-process`)
		return
	}
	s := string(*field)
	v.choice(&s, string(ModeInProcess))
	*field = PoolMode(s)
}

// stack takes 0 or a size a thread can live with.
func (v value) stack(field *int) {
	if s, ok := scalar(v.node); ok && s == "0" {
		*field = 0
		return
	}
	v.sizeInt(field, 64<<10, 1<<30)
}

func (v value) onFault(field *FaultPolicy) {
	s := string(*field)
	v.choice(&s, string(FaultKeep), string(FaultRefuse))
	*field = FaultPolicy(s)
}

// later refuses a key whose meaning comes with a later release: silence would look like obedience.
func later(what string) func(value) {
	return func(v value) {
		v.fail(fmt.Sprintf("%q belongs to %s, which are not in this release", v.key, what), "remove the key")
	}
}
