package extension

import (
	"errors"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/native"
)

// FaultInfo is a contained fault in parts, for whoever keeps it or sends it on; nil if err is none.
func FaultInfo(err error) *executor.FaultInfo {
	var f *native.Fault
	if !errors.As(err, &f) {
		return nil
	}
	info := &executor.FaultInfo{Signal: f.Signal, Meaning: f.Meaning, Text: err.Error(), Addr: uint64(f.Addr)}
	if f.Exit != "" {
		info.Meaning = f.Exit
	}
	for _, fr := range f.Stack {
		info.Stack = append(info.Stack, executor.FaultFrame{PC: uint64(fr.PC), Offset: fr.Offset, Image: fr.Image, Symbol: fr.Symbol, Line: fr.Line})
	}
	return info
}
