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
	var r poolReading
	f := fields{
		"mode":       func(v value) { r.words(word(v, &p.Mode, ModeIsolated, ModeInProcess)) },
		"threads":    func(v value) { v.number(&p.Threads, 1, 4096) },
		"stack":      func(v value) { v.stack(&p.Stack) },
		"queue":      func(v value) { v.number(&p.Queue, 1, 1_000_000) },
		"queue_wait": func(v value) { v.duration(&p.QueueWait, day) },
		"read_ahead": func(v value) { v.sizeInt(&p.ReadAhead, 0, 1<<30) },
		"pending":    func(v value) { v.duration(&p.Pending, day) },
		"flush":      func(v value) { v.duration(&p.Flush, day) },
		"on_fault":   func(v value) { r.words(word(v, &p.OnFault, FaultKeep, FaultRefuse, FaultIsolate)) },
		"checks":     func(v value) { word(v, &p.Checks, ChecksOff, ChecksSampled, ChecksOn) },
		"start":      r.isolated(func(v value) { r.words(v.start(&p.OnDemand)) }),
		"update":     func(v value) { v.update(&p.Update) },
	}
	for key, take := range workerFields(p) {
		f[key] = r.isolated(take)
	}
	v.object("pool", f)
	if !r.failed {
		v.d.checkPool(p, r.isolatedKeys)
	}
}

// poolReading is what has to be remembered of a pool until all its keys are read, in whatever order they stand.
type poolReading struct {
	isolatedKeys []value // that only mean something where there are worker processes
	failed       bool    // a word that decides which keys go together is wrong: say nothing about that
}

func (r *poolReading) isolated(take func(value)) func(value) {
	return func(v value) {
		r.isolatedKeys = append(r.isolatedKeys, v)
		take(v)
	}
}

func (r *poolReading) words(ok bool) { r.failed = r.failed || !ok }

// checkPool looks at how the keys of a pool go together.
func (d *decoder) checkPool(p *Pool, isolatedKeys []value) {
	if _, given := d.at[&p.OnFault]; given && p.Mode == ModeIsolated {
		d.errorOn(&p.OnFault, `"on_fault" is only for in-process pools`, `write "mode: in-process" in this pool, or remove the key: a worker with a fault is replaced anyway`)
	}
	if p.Mode != ModeIsolated && p.OnFault != FaultIsolate {
		for _, v := range isolatedKeys {
			v.fail(fmt.Sprintf("%q is only for isolated pools", v.key), `write "mode: isolated" in this pool, or remove the key`)
		}
		return
	}
	if _, given := d.at[&p.IdleTimeout]; given && !p.OnDemand {
		d.errorOn(&p.IdleTimeout, `"idle_timeout" is only for pools that start on demand`, `write "start: on-demand" in this pool, or remove the key`)
	}
	d.checkWine(p)
	r := &p.Recycle
	if p.OnDemand && r.After > 0 && r.After < p.IdleTimeout {
		d.errorOn(d.first(&r.After, &p.IdleTimeout),
			fmt.Sprintf("recycling after %s comes before the idle_timeout of %s", short(r.After), short(p.IdleTimeout)),
			`make "after" longer than "idle_timeout"; 0 is never`)
	}
	d.checkMemory(p, "memory", &r.Memory)
	d.checkMemory(p, "private_memory", &r.PrivateMemory)
}

// checkWine finds what a pool of Windows workers under Wine cannot have.
func (d *decoder) checkWine(p *Pool) {
	if p.Platform != PlatformWine {
		return
	}
	if why := p.NotUnderWine(); why != "" {
		d.errorOn(d.first(&p.Platform), why, `write "platform: native" for images of this system, or remove that key`)
	}
}

// NotUnderWine says which of the settings a worker under Wine cannot have, and why; "" if it can have all.
func (p *Pool) NotUnderWine() string {
	switch {
	case p.Sandbox != nil:
		return `a worker under Wine cannot have a "sandbox": its wineserver opens files for it`
	case p.RLimits.AddressSpace != nil:
		return `a worker under Wine cannot have an "address_space": Wine reserves nearly all there is; "memory_limit" limits what is used`
	}
	if _, ok := p.Environment["WINEPREFIX"]; ok {
		return `a worker under Wine cannot have a WINEPREFIX of its own: all share that of "prefix" in "wine"`
	}
	return ""
}

// checkMemory finds a limit for recycling that no worker lives to reach.
func (d *decoder) checkMemory(p *Pool, key string, limit *int64) {
	if p.MemoryLimit > 0 && *limit >= p.MemoryLimit {
		d.errorOn(limit, fmt.Sprintf("%q is %s, but a worker is killed at the memory_limit of %s", key, sizeName(*limit), sizeName(p.MemoryLimit)),
			fmt.Sprintf("make %q smaller than \"memory_limit\"", key))
	}
}

// stack takes 0 or a size a thread can live with.
func (v value) stack(field *int) {
	n := int64(*field)
	v.sizeOrNone(&n, 64<<10, 1<<30)
	*field = int(n)
}
