package extension

import (
	"errors"
	"fmt"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/filter"
)

// Filter is the filter half of the image; nil if it was opened without [executor.Options].Filter. It is there until Close. Whoever
// takes a request through it must be between Enter and Leave.
func (e *Extension) Filter() *filter.Filter { return e.filter }

// FilterOnly says whether there is no extension half.
func (e *Extension) FilterOnly() bool { return e.exports.proc == 0 }

// Enter counts in a request that goes through the filter half: until Leave the image is not unloaded. It answers false when it is being
// closed already, or had a fault and its policy is to refuse; then there is nothing to leave.
func (e *Extension) Enter() bool {
	if e.Refuses() || !e.gate.enter() {
		return false
	}
	return true
}

// Leave is the end of what Enter began.
func (e *Extension) Leave() { e.gate.leave() }

// Refuses says whether it had a fault after which, by its policy, it takes no more requests.
func (e *Extension) Refuses() bool {
	return e.opt.OnFault == executor.FaultRefuse && e.faults.Load() > 0
}

// errFilterOnly is why a request is refused that is to be answered by a filter.
var errFilterOnly = errors.New("the image is a filter only, it has no HttpExtensionProc: a URL leads to it that should not")

// startFilter asks the filter half for its version, before the extension's: that may count on the filter being there.
func (e *Extension) startFilter() error {
	c := filter.Config{
		Name: e.name, Version: e.exports.filterVersion, Proc: e.exports.filterProc, Terminate: e.exports.filterEnd, Log: e.log,
		Faulted: e.filterFault, SameThread: !e.FilterOnly(), Tap: e.opt.Tap, Image: e.image, Watch: e.watch,
	}
	if e.ownThreads() {
		c.On = e.onThread
	}
	made, err := filter.New(c)
	if err != nil {
		return err
	}
	registers := e.opt.Registers
	if registers == nil {
		registers = filter.RefuseRaw
	}
	if err := registers(made.Flags()); err != nil {
		return errors.Join(err, made.Close())
	}
	e.filter = made
	return nil
}

// closeFilter ends the filter half. It does not run on a thread of the image's own: connections may be ending at the same time, and
// wait for one.
func (e *Extension) closeFilter() error {
	if e.filter == nil {
		return nil
	}
	return e.filter.Close()
}

// onThread runs f on a thread of the image's own and returns when it has.
func (e *Extension) onThread(f func()) {
	if e.threads == nil { // it is being loaded, and this is the first of them
		f()
		return
	}
	e.threads.visit(f)
}

// filterFault counts a contained fault of the filter half, which package filter has logged.
func (e *Extension) filterFault(err error) {
	e.faults.Add(1)
	if e.opt.Faulted != nil {
		e.opt.Faulted(err)
	}
}

// lacks says which exports are missing for what the image is to be; nil if none are.
func (x *exports) lacks(asFilter bool) error {
	pair := func(first, second uintptr, names [2]string, what string) error {
		var missing string
		switch {
		case first != 0 && second != 0:
			return nil
		case first == 0 && second == 0:
			missing = names[0] + " and " + names[1]
		case first == 0:
			missing = names[0]
		default:
			missing = names[1]
		}
		return fmt.Errorf("it does not export %s, which every %s must", missing, what)
	}
	extension := pair(x.version, x.proc, [2]string{"GetExtensionVersion", "HttpExtensionProc"}, "extension")
	filter := pair(x.filterVersion, x.filterProc, [2]string{"GetFilterVersion", "HttpFilterProc"}, "filter")
	switch {
	case asFilter && x.version == 0 && x.proc == 0: // a filter only
		return filter
	case asFilter:
		return errors.Join(filter, extension)
	case extension != nil && filter == nil:
		return fmt.Errorf("it is a filter: list it under filters; %w", extension)
	}
	return extension
}
