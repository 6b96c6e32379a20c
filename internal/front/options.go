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
		Logger:    log.With("pool", name),
	}
}

func noneIsNegative[T int | time.Duration](v T) T {
	if v == 0 {
		return -1
	}
	return v
}
