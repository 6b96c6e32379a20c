package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func (v value) health(h *Health) {
	v.object("health", fields{
		"ping":    func(v value) { v.duration(&h.Ping, day) },
		"timeout": func(v value) { v.durationFrom(&h.Timeout, shortest, day) },
	})
}

func (v value) recycle(r *Recycle) {
	v.object("recycle", fields{
		"requests":         func(v value) { v.number(&r.Requests, 0, 1<<31-1) },
		"after":            func(v value) { v.duration(&r.After, year) },
		"at":               func(v value) { v.clockTimes(&r.At) },
		"memory":           func(v value) { v.sizeOrNone(&r.Memory, leastRAM, mostBytes) },
		"private_memory":   func(v value) { v.sizeOrNone(&r.PrivateMemory, leastRAM, mostBytes) },
		"memory_growth":    func(v value) { v.sizeOrNone(&r.MemoryGrowth, 1<<20, mostBytes) },
		"overlap":          func(v value) { v.flag(&r.Overlap) },
		"on_config_change": func(v value) { v.flag(&r.OnConfigChange) },
	})
}

var clockText = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?$`)

func (v value) clockTimes(field *[]ClockTime) {
	items := v.list("clock times")
	list := make([]ClockTime, len(items))
	for i, item := range items {
		s, _ := scalar(item.node)
		m := clockText.FindStringSubmatch(s)
		if m == nil {
			item.fail(fmt.Sprintf("%q must be a time of day, not %s", v.key, describe(item.node)), `write it like "03:00" or "23:59:30"`)
			continue
		}
		list[i].Hour, _ = strconv.Atoi(m[1])
		list[i].Minute, _ = strconv.Atoi(m[2])
		list[i].Second, _ = strconv.Atoi(m[3]) // 0 where there is none
	}
	*field = list
}

func (v value) crashes(c *Crashes) {
	v.object("crashes", fields{
		"max":    func(v value) { v.number(&c.Max, 0, 1000) },
		"window": func(v value) { v.durationFrom(&c.Window, time.Second, day) },
	})
}

func (v value) orphan(o *Orphan) {
	v.object("orphan", fields{
		"enabled": func(v value) { v.flag(&o.Enabled) },
		"action":  func(v value) { v.action(&o.Action) },
		"max":     func(v value) { v.number(&o.Max, 1, 100) },
	})
}

var placeholder = regexp.MustCompile(`%[A-Za-z0-9_]+%`)

// action takes a program and its arguments. A program with a slash is a path; one without is looked up when it is run.
func (v value) action(field *[]string) {
	v.texts("a program and its arguments", field)
	for i, s := range *field {
		for _, name := range placeholder.FindAllString(s, -1) {
			switch name {
			case "%pid%", "%reason%", "%pool%":
			default:
				v.d.errorOn(&(*field)[i], fmt.Sprintf("nothing is known to stand for %s", name), "allowed: %pid%, %reason%, %pool%")
			}
		}
	}
	if len(*field) == 0 || !strings.ContainsAny((*field)[0], `/\`) {
		return
	}
	program := &(*field)[0]
	*program = v.d.path(*program)
	v.d.fileOn(program, "program", *program)
}
