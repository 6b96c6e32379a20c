package executor

import "time"

// Checks says how hard an image is watched for misuse of the interface.
type Checks string

// What is set with "checks".
const (
	ChecksOff     Checks = "off"
	ChecksSampled Checks = "sampled" // what costs something is checked for one request in a hundred
	ChecksOn      Checks = "on"
)

// FindingKind says what an image did.
type FindingKind string

// The kinds of findings.
const (
	UsedAfterEnd       FindingKind = "used_after_end"       // a call for a request that has ended
	UnknownConnID      FindingKind = "unknown_connid"       // a call for what never was a request
	DoubleCompletion   FindingKind = "double_completion"    // a request was ended twice
	WrongSize          FindingKind = "wrong_size"           // a size or pointer that cannot be
	HeaderInjection    FindingKind = "header_injection"     // text from the request breaks the lines of a response's header
	TwoAsync           FindingKind = "two_async"            // an asynchronous operation while another was outstanding
	Unfinished         FindingKind = "unfinished"           // a response that was never finished
	LeakedThread       FindingKind = "leaked_thread"        // a thread that lived on after TerminateExtension
	ECBOverwritten     FindingKind = "ecb_overwritten"      // fields of the ECB that are the server's were written to
	ContextOverwritten FindingKind = "context_overwritten"  // likewise of an HTTP_FILTER_CONTEXT
	OutsideNotify      FindingKind = "outside_notification" // a filter's callback outside of a notification
)

// Finding is something that an image did and must not. It has been answered as the ABI says already; nothing fails because of a finding.
type Finding struct {
	Kind    FindingKind
	Image   string // path in the configuration
	Call    string // ISAPI's name of the function
	Text    string // a sentence
	Request uint64 // its ID; 0: none
	At      time.Time
	Stack   []string // native, innermost first; nil: there is none to be had
}

// FaultInfo is a contained fault in parts. Its Text is what the error in Result.Fault says.
type FaultInfo struct {
	Signal  string // "SIGSEGV"; "" for none
	Meaning string // of the signal and its code
	Call    string // the function of the image that was called
	Text    string
	Addr    uint64
	Stack   []FaultFrame // innermost first
	Request uint64       // its ID; 0: none
}

// FaultFrame is one function call of a native stack.
type FaultFrame struct {
	PC, Offset    uint64 // Offset: in Image
	Image, Symbol string
	Line          string // "file.c:12", if the image says so
}
