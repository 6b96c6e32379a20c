package native

import "golang.org/x/sys/windows"

// A stack that was overrun cannot be followed, so that the system does not find the guard below it. Such an exception is found out before
// the system searches.

var (
	smashedInGo   uintptr
	continuedInGo uintptr
)

var (
	addVectoredExceptionHandler = kernel32.NewProc("AddVectoredExceptionHandler")
	addVectoredContinueHandler  = kernel32.NewProc("AddVectoredContinueHandler")
)

// vectoredAddresses are those of the code that calls onSmashed and onContinued.
func vectoredAddresses() (smashed, continued uintptr)

// watchStacks puts the handlers in place: after that of Go's runtime, and before it.
func watchStacks() {
	smashedInGo, continuedInGo = windows.NewCallback(onSmashed), windows.NewCallback(onContinued)
	smashed, continued := vectoredAddresses()
	_, _, _ = addVectoredExceptionHandler.Call(0, smashed)
	_, _, _ = addVectoredContinueHandler.Call(1, continued)
}

const (
	continueSearch    = 0
	continueExecution = ^uintptr(0)
)

// onSmashed is asked about an error of the system on a thread that Go runs, before any code of an image. If the guard of the call cannot be
// reached from there, the call is left at once, without what the code would do on its way.
func onSmashed(p *exceptionPointers) uintptr {
	i := lineOf(theBoard())
	if i == 0 || threads[i].guard == nil {
		return continueSearch
	}
	f := threads[i].guard
	threads[i].guard = nil // what follows is code of Go
	defer func() { threads[i].guard = f }()
	e := exception{record: *p.record}
	low, high := stackBounds()
	if e.look(p.context, low, high) == f.sp {
		return continueSearch
	}
	f.kind, f.fault = kindFault, e
	p.context.rip, p.context.rsp = landingAt, f.sp
	return continueExecution
}

// onContinued is asked about an exception after which a thread goes on that Go runs. Go's runtime would end the process for any that is
// not its own: those of guarded calls, and messages, are nothing to it.
func onContinued(p *exceptionPointers) uintptr {
	i := lineOf(theBoard())
	if p.context.rip == landingAt || p.record.code>>30 == 1 || i != 0 && threads[i].guard != nil {
		return continueExecution
	}
	return continueSearch
}
