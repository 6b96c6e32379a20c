package config

import (
	"fmt"
	"os/user"
	"regexp"
	"runtime"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"
)

const (
	shortest  = 100 * time.Millisecond // of limits a process cannot be expected to keep in no time
	leastRAM  = 16 << 20               // a worker that holds an extension takes this much
	mostBytes = 1 << 50
)

// workerFields are the keys that say how a worker process is run and when it is replaced.
func workerFields(p *Pool) fields {
	return fields{
		"platform":          func(v value) { v.platform(&p.Platform) },
		"spare":             func(v value) { v.number(&p.Spare, 0, 8) },
		"isolation":         func(v value) { word(v, &p.Isolation, PerApplication, PerExtension, PerPool) },
		"workers":           func(v value) { v.number(&p.Workers, 1, 64) },
		"startup_limit":     func(v value) { v.durationFrom(&p.StartupLimit, shortest, day) },
		"shutdown_limit":    func(v value) { v.durationFrom(&p.ShutdownLimit, shortest, day) },
		"idle_timeout":      func(v value) { v.duration(&p.IdleTimeout, day) },
		"request_timeout":   func(v value) { v.duration(&p.RequestTimeout, day) },
		"environment":       func(v value) { v.environment(p.Environment) },
		"directory":         func(v value) { v.folder(&p.Directory) },
		"user":              func(v value) { v.user(&p.User) },
		"group":             func(v value) { v.group(&p.Group) },
		"nice":              func(v value) { v.number(&p.Nice, -20, 19) },
		"rlimits":           func(v value) { v.rlimits(&p.RLimits) },
		"memory_limit":      func(v value) { v.sizeOrNone(&p.MemoryLimit, leastRAM, mostBytes) },
		"cpu_limit":         func(v value) { v.processors(&p.CPULimit) },
		"no_new_privileges": func(v value) { v.flag(&p.NoNewPrivileges) },
		"sandbox":           func(v value) { v.sandbox(&p.Sandbox) },
		"health":            func(v value) { v.health(&p.Health) },
		"recycle":           func(v value) { v.recycle(&p.Recycle) },
		"crashes":           func(v value) { v.crashes(&p.Crashes) },
		"orphan":            func(v value) { v.orphan(&p.Orphan) },
		"idempotent":        func(v value) { v.methods(&p.Idempotent) },
	}
}

// platform takes one that there is on this system.
func (v value) platform(field *Platform) {
	if word(v, field, PlatformAuto, PlatformNative, PlatformWine) && *field == PlatformWine && runtime.GOOS == "windows" {
		v.fail("Wine is for other systems: Windows runs Windows images itself", `write "platform: auto", or remove the key`)
	}
}

// start says whether the word was one of the two.
func (v value) start(onDemand *bool) bool {
	word := "always"
	if !v.choice(&word, "always", "on-demand") {
		return false
	}
	*onDemand = word == "on-demand"
	return true
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (v value) environment(table map[string]string) {
	v.entries("environment", func(name string, at position, item value) {
		if !variableName.MatchString(name) {
			v.d.errorAt(at, fmt.Sprintf("%q is not the name of a variable", name), "use letters, digits and underscores, no digit first")
			return
		}
		if s, ok := item.node.(*ast.StringNode); ok && s.Value == "" {
			table[name] = "" // what text refuses is a value here
			return
		}
		var s string
		if item.text(&s) {
			table[name] = s
		}
	})
}

// folder takes a directory that exists.
func (v value) folder(field *string) {
	if v.text(field) {
		*field = v.d.path(*field)
		v.d.isDirectory(field, v.key, *field)
	}
}

// user takes a number or the name of somebody known here.
func (v value) user(field *string) {
	if v.text(field) && !isNumber(*field) {
		if _, err := user.Lookup(*field); err != nil {
			v.fail(fmt.Sprintf("user %q is not known on this machine", *field), "create the user or correct the name")
		}
	}
}

func (v value) group(field *string) {
	if v.text(field) && !isNumber(*field) {
		if _, err := user.LookupGroup(*field); err != nil {
			v.fail(fmt.Sprintf("group %q is not known on this machine", *field), "create the group or correct the name")
		}
	}
}

// isNumber says whether s is a user's or group's number: those need not be known.
func isNumber(s string) bool {
	n, err := strconv.ParseUint(s, 10, 32)
	return err == nil && n != 1<<32-1 // which means "leave it as it is"
}

func (v value) rlimits(l *RLimits) {
	v.object("rlimits", fields{
		"files":         func(v value) { v.limit(&l.Files, v.countTo(64, 1<<30)) },
		"processes":     func(v value) { v.limit(&l.Processes, v.countTo(16, 1<<22)) },
		"address_space": func(v value) { v.limit(&l.AddressSpace, v.bytesTo(256<<20)) },
		"cpu":           func(v value) { v.limit(&l.CPU, v.seconds) },
		"core":          func(v value) { v.limit(&l.Core, v.bytesTo(0)) },
		"file_size":     func(v value) { v.limit(&l.FileSize, v.bytesTo(0)) },
	})
}

// limit takes "unlimited" or what take makes of the value.
func (v value) limit(field **uint64, take func(set func(uint64))) {
	set := func(n uint64) { *field = &n }
	if s, ok := scalar(v.node); ok && s == "unlimited" {
		set(Unlimited)
		return
	}
	take(set)
}

func (v value) countTo(low, high int) func(set func(uint64)) {
	return func(set func(uint64)) {
		n := -1
		if v.number(&n, low, high); n >= 0 {
			set(uint64(n))
		}
	}
}

func (v value) bytesTo(low int64) func(set func(uint64)) {
	return func(set func(uint64)) {
		v.size(func(n int64) { set(uint64(n)) }, low, mostBytes)
	}
}

// seconds rounds up: the kernel counts processor time in whole seconds.
func (v value) seconds(set func(uint64)) {
	var d time.Duration
	if v.durationFrom(&d, time.Second, year); d > 0 {
		set(uint64((d + time.Second - 1) / time.Second))
	}
}

var processorsText = regexp.MustCompile(`^([0-9]{1,4})(?:\.([0-9]{1,3}))?$`)

// processors takes a number like 1.5 as thousandths. A hundredth is the least that a cgroup can give.
func (v value) processors(field *int) {
	s, _ := scalar(v.node)
	m := processorsText.FindStringSubmatch(s)
	if _, text := v.node.(*ast.StringNode); m == nil || text {
		v.fail(fmt.Sprintf("%q must be a number of processors, not %s", v.key, describe(v.node)), "write it like 2, 1.5 or 0.25")
		return
	}
	n, _ := strconv.Atoi(m[1] + (m[2] + "000")[:3]) // seven digits always fit
	if n != 0 && n < 10 || n > 1_024_000 {
		v.fail(fmt.Sprintf("%q is %s", v.key, s), "allowed: 0, or 0.01 to 1024")
		return
	}
	*field = n
}
