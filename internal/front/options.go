package front

import (
	"log/slog"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
)

// optionsFor says how to run an extension of pool p. In the configuration 0 means "none", in options it means "the default".
func optionsFor(p *config.Pool, name string, log *slog.Logger) executor.Options {
	return executor.Options{
		Threads:   p.Threads,
		Stack:     p.Stack,
		Queue:     p.Queue,
		QueueWait: noneIsNegative(p.QueueWait),
		ReadAhead: noneIsNegative(p.ReadAhead),
		Pending:   p.Pending,
		Flush:     noneIsNegative(p.Flush),
		OnFault:   executor.FaultPolicy(p.OnFault),
		Checks:    executor.Checks(p.Checks),
		Pool:      name,
		Logger:    log.With("pool", name),
	}
}

func noneIsNegative[T int | time.Duration](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

// inside is what decides how an extension runs in this process; zero if it does not. Another value needs another executor.
type inside struct {
	here                      bool
	onFault                   config.FaultPolicy
	checks                    config.Checks
	threads, stack, queue     int
	readAhead                 int
	queueWait, pending, flush time.Duration
}

func insideOf(p *config.Pool) inside {
	if p == nil || p.Mode == config.ModeIsolated {
		return inside{}
	}
	return inside{true, p.OnFault, p.Checks, p.Threads, p.Stack, p.Queue, p.ReadAhead, p.QueueWait, p.Pending, p.Flush}
}

// optionsHere are those of an image in this process, with those who look.
func (f *Front) optionsHere(k key, p *config.Pool) executor.Options {
	o := optionsFor(p, k.group.name, f.logger("extension"))
	o.Tap = &f.tap
	o.Found = func(x executor.Finding) { f.found(&x, 1, k.group.name, "") }
	o.Count = func(name string, labels []string, delta float64) {
		f.metrics.Count(k.group.name, k.image, name, labels, delta)
	}
	return o
}
