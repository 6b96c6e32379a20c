package trace

import (
	"strconv"

	"github.com/isapid/isapid/internal/isapi"
)

// Origin is where an event comes from: what is known of the process and of the image.
type Origin struct {
	Pool, Worker string // Worker "": the server itself
	Pid          int
	Image        string // path in the configuration
	Generation   int
}

var extensionStatus = map[int64]string{
	isapi.StatusSuccess: "HSE_STATUS_SUCCESS", isapi.StatusSuccessKeepConn: "HSE_STATUS_SUCCESS_AND_KEEP_CONN",
	isapi.StatusPending: "HSE_STATUS_PENDING", isapi.StatusError: "HSE_STATUS_ERROR",
}

// ResultName is what the function has returned, as the SDK says it; "" for one that returns nothing, or did not return.
func (e *Event) ResultName() string {
	switch {
	case e.Func == Completion, e.faulted():
		return ""
	case e.Func == HttpExtensionProc:
		if n, ok := extensionStatus[e.Result]; ok {
			return n
		}
		return strconv.FormatInt(e.Result, 10)
	case e.Func == HttpFilterProc:
		return isapi.FilterStatus(uint32(e.Result)).String()
	case e.Func == FilterAllocMem && e.Result != 0:
		return "0x" + strconv.FormatUint(uint64(e.Result), 16)
	case e.Func == FilterAllocMem:
		return "NULL"
	case e.Result == 0:
		return "FALSE"
	case e.Result == 1:
		return "TRUE"
	}
	return strconv.FormatInt(e.Result, 10)
}

// export tells whether it is a function of images, which the server calls.
func (f Func) export() bool { return f <= Completion }

// String is "enter", "leave" or "call".
func (k Kind) String() string {
	switch k {
	case Enter:
		return "enter"
	case Leave:
		return "leave"
	case Call:
		return "call"
	}
	return "event " + strconv.Itoa(int(k))
}
