package config

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// isolated is the pool p, isolated; what follows belongs to it: four spaces, from line 4 on.
const isolated = "pools:\n  p:\n    mode: isolated\n"

// inProcess is the same in-process.
const inProcess = "pools:\n  p:\n    mode: in-process\n"

var badPools = []badFile{
	{"unknown key in isolated pool", isolated + "    worker: 2\n", []string{`isapid.yaml:4:5: unknown key "worker" in pool; did you mean "workers"?`}},
	{"isolation", isolated + "    isolation: per-app\n", []string{`isapid.yaml:4:16: "isolation" is "per-app"; allowed: per-application, per-extension, per-pool`}},
	{"platform", isolated + "    platform: windows\n", []string{`isapid.yaml:4:15: "platform" is "windows"; allowed: auto, native, wine`}},
	{"spare", isolated + "    spare: 9\n", []string{`isapid.yaml:4:12: "spare" is 9; allowed: 0 to 8`}},
	{"sandbox under Wine", isolated + "    platform: wine\n    sandbox: {read: []}\n", []string{`isapid.yaml:4:15: a worker under Wine cannot have a "sandbox": its wineserver opens files for it; write "platform: native" for images of this system, or remove that key`}},
	{"prefix of its own under Wine", isolated + "    platform: wine\n    environment: {WINEPREFIX: /w}\n", []string{`isapid.yaml:4:15: a worker under Wine cannot have a WINEPREFIX of its own: all share that of "prefix" in "wine"; write "platform: native" for images of this system, or remove that key`}},
	{"address space under Wine", isolated + "    platform: wine\n    rlimits: {address_space: 4GiB}\n", []string{`isapid.yaml:4:15: a worker under Wine cannot have an "address_space": Wine reserves nearly all there is; "memory_limit" limits what is used; write "platform: native" for images of this system, or remove that key`}},
	{"platform of an in-process pool", inProcess + "    platform: wine\n", []string{`isapid.yaml:4:15: "platform" is only for isolated pools; write "mode: isolated" in this pool, or remove the key`}},
	{"wine", "wine: {prefix: 1, workers: nowhere, arch: 32}\n", []string{
		`isapid.yaml:1:16: "prefix" must be text, not 1; put it in quotes: "1"`,
		`isapid.yaml:1:28: workers "nowhere" cannot be used: no such file or directory; create the directory or correct the path`,
		`isapid.yaml:1:37: unknown key "arch" in wine; known keys: prefix, workers`,
	}},
	{"no workers", isolated + "    workers: 0\n", []string{`isapid.yaml:4:14: "workers" is 0; allowed: 1 to 64`}},
	{"many workers", isolated + "    workers: 65\n", []string{`isapid.yaml:4:14: "workers" is 65; allowed: 1 to 64`}},
	{"start", isolated + "    start: lazily\n", []string{`isapid.yaml:4:12: "start" is "lazily"; allowed: always, on-demand`}},
	{"startup limit", isolated + "    startup_limit: 0s\n    shutdown_limit: 25h\n", []string{
		`isapid.yaml:4:20: "startup_limit" is 0s; allowed: 100ms to 24h`,
		`isapid.yaml:5:21: "shutdown_limit" is 25h; allowed: 100ms to 24h`,
	}},
	{"request timeout", isolated + "    request_timeout: 30\n", []string{`isapid.yaml:4:22: "request_timeout" must be a time with its unit, not "30"; write it like 20ms, 30s, 2m or 29h`}},
	{"environment is a list", isolated + "    environment: [A=1]\n", []string{`isapid.yaml:4:18: environment must be a mapping, not a list; write it as lines of "key: value"`}},
	{"environment name", isolated + "    environment: {A=B: c, 1A: b, '': a}\n", []string{
		`isapid.yaml:4:19: "A=B" is not the name of a variable; use letters, digits and underscores, no digit first`,
		`isapid.yaml:4:27: "1A" is not the name of a variable; use letters, digits and underscores, no digit first`,
		`isapid.yaml:4:34: "" is not the name of a variable; use letters, digits and underscores, no digit first`,
	}},
	{"environment value", isolated + "    environment: {A: 1, B: \"x\\0y\", C: [], D: }\n", []string{
		`isapid.yaml:4:22: "A" must be text, not 1; put it in quotes: "1"`,
		`isapid.yaml:4:28: "B" is empty or holds a NUL; write a value or remove the key`,
		`isapid.yaml:4:39: "C" must be text, not a list`,
		`isapid.yaml:4:45: "D" must be text, not nothing`,
	}},
	{"directory", isolated + "    directory: nowhere\n", []string{`isapid.yaml:4:16: directory "nowhere" cannot be used: no such file or directory; create the directory or correct the path`}},
	{"user and group", isolated + "    user: nobody-by-this-name\n    group: 4294967295x\n", []string{
		`isapid.yaml:4:11: user "nobody-by-this-name" is not known on this machine; create the user or correct the name`,
		`isapid.yaml:5:12: group "4294967295x" is not known on this machine; create the group or correct the name`,
	}},
	{"user by number", isolated + "    user: 1000\n", []string{`isapid.yaml:4:11: "user" must be text, not 1000; put it in quotes: "1000"`}},
	{"nice", isolated + "    nice: -21\n", []string{`isapid.yaml:4:11: "nice" is -21; allowed: -20 to 19`}},
	{"rlimits", isolated + "    rlimits: {files: 3, processes: none, address_space: 1MiB, cpu: 1ms, core: infinity, size: 1}\n", []string{
		`isapid.yaml:4:22: "files" is 3; allowed: 64 to 1073741824`,
		`isapid.yaml:4:36: "processes" must be a whole number, not "none"; allowed: 16 to 4194304`,
		`isapid.yaml:4:57: "address_space" is 1MiB; allowed: 256MiB to 1048576GiB`,
		`isapid.yaml:4:68: "cpu" is 1ms; allowed: 1s to 8760h`,
		`isapid.yaml:4:79: "core" must be a size, not "infinity"; write it like 30000000, 30MB, 8MiB or 48KiB`,
		`isapid.yaml:4:89: unknown key "size" in rlimits; known keys: address_space, core, cpu, file_size, files, processes`,
	}},
	{"memory limit", isolated + "    memory_limit: 512\n", []string{`isapid.yaml:4:19: "memory_limit" is 512; allowed: 16MiB to 1048576GiB`}},
	{"cpu limit", isolated + "    cpu_limit: 0.001\n", []string{`isapid.yaml:4:16: "cpu_limit" is 0.001; allowed: 0, or 0.01 to 1024`}},
	{"cpu limit in percent", isolated + "    cpu_limit: 50%\n", []string{`isapid.yaml:4:16: "cpu_limit" must be a number of processors, not "50%"; write it like 2, 1.5 or 0.25`}},
	{"cpu limit below 0", isolated + "    cpu_limit: -1\n", []string{`isapid.yaml:4:16: "cpu_limit" must be a number of processors, not "-1"; write it like 2, 1.5 or 0.25`}},
	{"cpu limit in quotes", isolated + "    cpu_limit: '2'\n", []string{`isapid.yaml:4:16: "cpu_limit" must be a number of processors, not "2"; write it like 2, 1.5 or 0.25`}},
	{"no_new_privileges", isolated + "    no_new_privileges: on\n", []string{`isapid.yaml:4:24: "no_new_privileges" must be a switch, not "on"; write true or false`}},
	{"sandbox of nothing", isolated + "    sandbox: {}\n", []string{`isapid.yaml:4:14: the sandbox restricts nothing; add "read", "write", "connect" or "bind"; [] allows nothing`}},
	{"sandbox", isolated + "    sandbox:\n      read: [wwwroot, gone]\n      write: other\n      connect: [0, 65536]\n      bind: [http]\n      exec: []\n", []string{
		`isapid.yaml:5:23: "read" names "gone", which cannot be used: no such file or directory; create it or correct the path`,
		`isapid.yaml:6:14: "write" must be a list of files or folders, not "other"; write each item on a line of its own after "- "`,
		`isapid.yaml:7:17: "connect" is 0; allowed: 1 to 65535`,
		`isapid.yaml:7:20: "connect" is 65536; allowed: 1 to 65535`,
		`isapid.yaml:8:14: "bind" must be a whole number, not "http"; allowed: 1 to 65535`,
		`isapid.yaml:9:7: unknown key "exec" in sandbox; known keys: bind, connect, read, write`,
	}},
	{"health", isolated + "    health: {ping: -1s, timeout: 0s, url: /}\n", []string{
		`isapid.yaml:4:20: "ping" is -1s; allowed: 0 to 24h`,
		`isapid.yaml:4:34: "timeout" is 0s; allowed: 100ms to 24h`,
		`isapid.yaml:4:38: unknown key "url" in health; known keys: ping, timeout`,
	}},
	{"recycle", isolated + "    recycle: {requests: -1, after: 1y, memory: 1, private_memory: x, memory_growth: 1KiB, overlap: 1, on_config_change: no}\n", []string{
		`isapid.yaml:4:25: "requests" is -1; allowed: 0 to 2147483647`,
		`isapid.yaml:4:36: "after" must be a time with its unit, not "1y"; write it like 20ms, 30s, 2m or 29h`,
		`isapid.yaml:4:48: "memory" is 1; allowed: 16MiB to 1048576GiB`,
		`isapid.yaml:4:67: "private_memory" must be a size, not "x"; write it like 30000000, 30MB, 8MiB or 48KiB`,
		`isapid.yaml:4:85: "memory_growth" is 1KiB; allowed: 1MiB to 1048576GiB`,
		`isapid.yaml:4:100: "overlap" must be a switch, not "1"; write true or false`,
		`isapid.yaml:4:121: "on_config_change" must be a switch, not "no"; write true or false`,
	}},
	{"clock times", isolated + "    recycle: {at: ['3:00', '24:00', \"03:60\", 300, [a]]}\n", []string{
		`isapid.yaml:4:20: "at" must be a time of day, not "3:00"; write it like "03:00" or "23:59:30"`,
		`isapid.yaml:4:28: "at" must be a time of day, not "24:00"; write it like "03:00" or "23:59:30"`,
		`isapid.yaml:4:37: "at" must be a time of day, not "03:60"; write it like "03:00" or "23:59:30"`,
		`isapid.yaml:4:46: "at" must be a time of day, not "300"; write it like "03:00" or "23:59:30"`,
		`isapid.yaml:4:51: "at" must be a time of day, not a list; write it like "03:00" or "23:59:30"`,
	}},
	{"one clock time", isolated + "    recycle: {at: '03:00'}\n", []string{`isapid.yaml:4:19: "at" must be a list of clock times, not "03:00"; write each item on a line of its own after "- "`}},
	{"crashes", isolated + "    crashes: {max: 1001, window: 10ms}\n", []string{
		`isapid.yaml:4:20: "max" is 1001; allowed: 0 to 1000`,
		`isapid.yaml:4:34: "window" is 10ms; allowed: 1s to 24h`,
	}},
	{"orphan", isolated + "    orphan: {enabled: maybe, action: [./gcore, '%pid%.%pdi%'], max: 0}\n", []string{
		`isapid.yaml:4:23: "enabled" must be a switch, not "maybe"; write true or false`,
		`isapid.yaml:4:39: program "gcore" cannot be used: no such file or directory; create the file or correct the path`,
		`isapid.yaml:4:48: nothing is known to stand for %pdi%; allowed: %pid%, %reason%, %pool%`,
		`isapid.yaml:4:69: "max" is 0; allowed: 1 to 100`,
	}},
	{"idempotent", isolated + "    idempotent: [put]\n", []string{`isapid.yaml:4:18: "put" is not a method; write it in capitals, like GET`}},

	{"isolated keys in a pool that is in-process", "pools:\n  p:\n    workers: 2\n    mode: in-process\n    health: {}\n    start: on-demand\n    recycle:\n      requests: 9\n", []string{
		`isapid.yaml:3:14: "workers" is only for isolated pools; write "mode: isolated" in this pool, or remove the key`,
		`isapid.yaml:5:13: "health" is only for isolated pools; write "mode: isolated" in this pool, or remove the key`,
		`isapid.yaml:6:12: "start" is only for isolated pools; write "mode: isolated" in this pool, or remove the key`,
		`isapid.yaml:8:7: "recycle" is only for isolated pools; write "mode: isolated" in this pool, or remove the key`,
	}},
	{"bad isolated key in a pool that is in-process", "pools: {p: {on_fault: keep, workers: 0, mode: in-process}}\n", []string{
		`isapid.yaml:1:38: "workers" is 0; allowed: 1 to 64`,
		`isapid.yaml:1:38: "workers" is only for isolated pools; write "mode: isolated" in this pool, or remove the key`,
	}},
	{"isolated keys and a mode nobody knows", "pools: {p: {workers: 2, mode: isolatd}}\n", []string{`isapid.yaml:1:31: "mode" is "isolatd"; allowed: isolated, in-process`}},
	{"isolated keys and a policy nobody knows", "pools: {p: {mode: in-process, workers: 2, on_fault: isolated}}\n", []string{`isapid.yaml:1:53: "on_fault" is "isolated"; allowed: keep, refuse, isolate`}},
	{"on_fault in an isolated pool", "pools: {p: {on_fault: keep, mode: isolated}}\n", []string{`isapid.yaml:1:23: "on_fault" is only for in-process pools; write "mode: in-process" in this pool, or remove the key: a worker with a fault is replaced anyway`}},
	{"idle timeout of a pool that always runs", isolated + "    idle_timeout: 5m\n    start: always\n", []string{`isapid.yaml:4:19: "idle_timeout" is only for pools that start on demand; write "start: on-demand" in this pool, or remove the key`}},
	{"idle timeout by default", "pools: {p: {idle_timeout: 5m, mode: isolated}}\n", []string{`isapid.yaml:1:27: "idle_timeout" is only for pools that start on demand; write "start: on-demand" in this pool, or remove the key`}},
	{"recycling before idle", isolated + "    recycle: {after: 4m}\n    idle_timeout: 5m\n    start: on-demand\n", []string{`isapid.yaml:4:22: recycling after 4m comes before the idle_timeout of 5m; make "after" longer than "idle_timeout"; 0 is never`}},
	{"recycling before idle by default", isolated + "    recycle: {after: 19m}\n    start: on-demand\n", []string{`isapid.yaml:4:22: recycling after 19m comes before the idle_timeout of 20m; make "after" longer than "idle_timeout"; 0 is never`}},
	{"memory beyond its limit", isolated + "    recycle: {memory: 512MiB, private_memory: 1000MB}\n    memory_limit: 512MiB\n", []string{
		`isapid.yaml:4:23: "memory" is 512MiB, but a worker is killed at the memory_limit of 512MiB; make "memory" smaller than "memory_limit"`,
		`isapid.yaml:4:47: "private_memory" is 1000000000, but a worker is killed at the memory_limit of 512MiB; make "private_memory" smaller than "memory_limit"`,
	}},
	{"conflicts after a fault", "pools: {p: {on_fault: isolate, mode: in-process, idle_timeout: 1m}}\n", []string{`isapid.yaml:1:64: "idle_timeout" is only for pools that start on demand; write "start: on-demand" in this pool, or remove the key`}},

	{"update", inProcess + "    update: {watch: on, mode: replace, canary: 10, canary_time: 99ms, window: 25h, factor: 1, backups: 101, probe: /}\n", []string{
		`isapid.yaml:4:21: "watch" must be a switch, not "on"; write true or false`,
		`isapid.yaml:4:31: "mode" is "replace"; allowed: overlap, hold`,
		`isapid.yaml:4:48: "canary" must be a share in per cent, not "10"; write it like 10%; 0 is none`,
		`isapid.yaml:4:65: "canary_time" is 99ms; allowed: 100ms to 24h`,
		`isapid.yaml:4:79: "window" is 25h; allowed: 0 to 24h`,
		`isapid.yaml:4:92: "factor" is 1; allowed: more than 1, up to 1000`,
		`isapid.yaml:4:104: "backups" is 101; allowed: 0 to 100`,
		`isapid.yaml:4:109: unknown key "probe" in update; known keys: backups, canary, canary_time, factor, mode, verify, watch, window`,
	}},
	{"update is no mapping", isolated + "    update: hold\n", []string{`isapid.yaml:4:13: update must be a mapping, not "hold"; write it as lines of "key: value"`}},
	{"all as a canary", isolated + "    update: {canary: 100%}\n", []string{`isapid.yaml:4:22: "canary" is 100%; allowed: 0 to 99%`}},
	{"less than nothing as a canary", isolated + "    update: {canary: -1%}\n", []string{`isapid.yaml:4:22: "canary" must be a share in per cent, not "-1%"; write it like 10%; 0 is none`}},
	{"part of a per cent", isolated + "    update: {canary: 0.5%}\n", []string{`isapid.yaml:4:22: "canary" must be a share in per cent, not "0.5%"; write it like 10%; 0 is none`}},
	{"big factor", isolated + "    update: {factor: 1000.001}\n", []string{`isapid.yaml:4:22: "factor" is 1000.001; allowed: more than 1, up to 1000`}},
	{"infinite factor", isolated + "    update: {factor: .inf}\n", []string{`isapid.yaml:4:22: "factor" must be a number, not ".inf"; write it like 2 or 1.5`}},
	{"factor in quotes", isolated + "    update: {factor: '2'}\n", []string{`isapid.yaml:4:22: "factor" must be a number, not "2"; write it like 2 or 1.5`}},
	{"verify", isolated + "    update:\n      verify:\n        path: health\n        status: 600\n        timeout: 0s\n        method: GET\n", []string{
		`isapid.yaml:6:15: "path" is "health", which does not begin with a slash; write it like "/health" or "/health?deep=1"`,
		`isapid.yaml:7:17: "status" is 600; allowed: 100 to 599`,
		`isapid.yaml:8:18: "timeout" is 0s; allowed: 100ms to 24h`,
		`isapid.yaml:9:9: unknown key "method" in verify; known keys: path, status, timeout`,
	}},
	{"verify without a path", isolated + "    update: {verify: {status: 204}}\n", []string{`isapid.yaml:4:22: verify has no path; add a line like "path: /health"`}},
	{"verify of nothing", isolated + "    update:\n      verify:\n", []string{`isapid.yaml:5:15: verify has no path; add a line like "path: /health"`}},
	{"verify a control character", isolated + "    update: {verify: {path: \"/a\\r\\nb\"}}\n", []string{`isapid.yaml:4:29: "path" is "/a\r\nb", which cannot be asked for; write spaces and special characters as %20 and so on, and no #`}},
	{"verify a space", isolated + "    update: {verify: {path: /a?b c}}\n", []string{`isapid.yaml:4:29: "path" is "/a?b c", which cannot be asked for; write spaces and special characters as %20 and so on, and no #`}},
	{"verify a fragment", isolated + "    update: {verify: {path: '/a#b'}}\n", []string{`isapid.yaml:4:29: "path" is "/a#b", which cannot be asked for; write spaces and special characters as %20 and so on, and no #`}},
	{"verify a bad escape", isolated + "    update: {verify: {path: '/a%2'}}\n", []string{`isapid.yaml:4:29: "path" is "/a%2", which cannot be asked for; write spaces and special characters as %20 and so on, and no #`}},
	{"canary of one at a time", isolated + "    update: {canary: 10%, mode: hold}\n", []string{
		`isapid.yaml:4:22: "canary" is only for updates that overlap: with "mode: hold" two versions never run at a time; write "mode: overlap", or remove the key`,
	}},
	{"canary of a mode nobody knows", isolated + "    update: {canary: 10%, mode: holt}\n", []string{`isapid.yaml:4:33: "mode" is "holt"; allowed: overlap, hold`}},
	{"time of no canary", isolated + "    update: {canary_time: 1m}\n", []string{`isapid.yaml:4:27: "canary_time" means nothing without a canary; add "canary: 10%", or remove the key`}},
	{"factor of nobody who looks", isolated + "    update:\n      factor: 3\n      window: 0\n", []string{`isapid.yaml:5:15: "factor" means nothing when a new version is not watched; make "window" longer than 0, or remove the key`}},

	{"control", "control: here\n", []string{`isapid.yaml:1:10: control must be a mapping, not "here"; write it as lines of "key: value"`}},
	{"control socket", "control: {socket: 1}\n", []string{`isapid.yaml:1:19: "socket" must be text, not 1; put it in quotes: "1"`}},
	{"control socket without an end", "control: {socket: /" + strings.Repeat("s", 103) + "}\n", []string{`isapid.yaml:1:19: "socket" is 104 bytes with its folder; a socket's path has at most 103: name a shorter one`}},
}

// impossible says what no pool can have that came out of a file.
func impossible(p *Pool) string {
	switch {
	case p.Mode != ModeInProcess && p.Mode != ModeIsolated:
		return "mode"
	case p.Threads < 1 || p.Workers < 1 || p.Workers > 64 || p.Orphan.Max < 1:
		return "numbers"
	case p.StartupLimit < shortest || p.ShutdownLimit < shortest || p.Health.Timeout < shortest || p.Crashes.Window < time.Second:
		return "times"
	case p.Recycle.Memory < 0 || p.Recycle.PrivateMemory < 0 || p.Recycle.MemoryGrowth < 0 || p.MemoryLimit < 0 || p.CPULimit < 0:
		return "sizes"
	case p.Environment == nil || p.Directory != "" && !filepath.IsAbs(p.Directory):
		return "environment"
	}
	for name := range p.Environment {
		if strings.ContainsAny(name, "=\x00") {
			return "variable " + name
		}
	}
	switch u := p.Update; {
	case u.Mode != UpdateOverlap && u.Mode != UpdateHold, u.Mode == UpdateHold && u.Canary > 0:
		return "update mode"
	case u.Canary < 0 || u.Canary > 99 || !(u.Factor > 1 && u.Factor <= 1000) || u.Backups < 0 || u.Window < 0 || u.CanaryTime < shortest:
		return "update numbers"
	case u.Verify != nil && (u.Verify.Path == "" || u.Verify.Path[0] != '/' || u.Verify.Status < 100 || u.Verify.Timeout < shortest):
		return "update verify"
	}
	if p.Sandbox != nil && (slices.Contains(p.Sandbox.Connect, 0) || slices.Contains(p.Sandbox.Bind, 0)) {
		return "port 0"
	}
	bare := DefaultPool()
	bare.Mode, bare.Threads, bare.Stack, bare.Queue, bare.QueueWait = p.Mode, p.Threads, p.Stack, p.Queue, p.QueueWait
	bare.ReadAhead, bare.Pending, bare.Flush, bare.OnFault, bare.Update = p.ReadAhead, p.Pending, p.Flush, p.OnFault, p.Update
	if p.Mode == ModeInProcess && p.OnFault != FaultIsolate && !reflect.DeepEqual(p, bare) {
		return "isolated keys in-process"
	}
	return ""
}

func TestClockTimeString(t *testing.T) {
	if got := (ClockTime{3, 4, 5}).String(); got != "03:04:05" {
		t.Errorf("got %q", got)
	}
}
