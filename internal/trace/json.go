package trace

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/isapid/isapid/internal/isapi"
)

// jsonEvent is an event as "isapid snoop --json" shows it. docs/snoop.md lists the members.
type jsonEvent struct {
	Time       string    `json:"time"`
	Request    string    `json:"request,omitempty"`
	Seq        uint64    `json:"seq"`
	Span       uint32    `json:"span"`
	Parent     uint32    `json:"parent,omitempty"`
	Kind       string    `json:"kind"`
	Call       string    `json:"call"`
	Function   string    `json:"function"`
	Code       uint32    `json:"code,omitempty"`
	Args       []jsonArg `json:"args,omitempty"`
	Result     *int64    `json:"result,omitempty"`
	ResultName string    `json:"result_name,omitempty"`
	Error      uint32    `json:"error,omitempty"`
	ErrorName  string    `json:"error_name,omitempty"`
	Failed     bool      `json:"failed,omitempty"`
	Took       float64   `json:"took,omitempty"`
	Thread     int32     `json:"thread"`
	Body       []byte    `json:"body,omitempty"`
	BodySize   int64     `json:"body_size,omitempty"`
	Masked     bool      `json:"masked,omitempty"`
	Image      string    `json:"image,omitempty"`
	Generation int       `json:"generation,omitempty"`
	Pool       string    `json:"pool,omitempty"`
	Worker     string    `json:"worker,omitempty"`
	Pid        int       `json:"pid,omitempty"`
	Site       string    `json:"site,omitempty"`
	App        string    `json:"application,omitempty"`
	Client     string    `json:"client,omitempty"`
	Method     string    `json:"method,omitempty"`
	URL        string    `json:"url,omitempty"`
}

type jsonArg struct {
	Name   string  `json:"name"`
	Text   *string `json:"text,omitempty"`
	Number *int64  `json:"number,omitempty"`
	Hex    string  `json:"hex,omitempty"`
	Out    bool    `json:"out,omitempty"`
	Cut    bool    `json:"cut,omitempty"`
}

// AppendJSON appends an event as a line of JSON; o and a are what is known of where it comes from and of its request. Characters that
// could do something to a terminal are escaped, and bytes that are no UTF-8 are replaced.
func AppendJSON(dst []byte, e *Event, o Origin, a About) []byte {
	j := jsonEvent{
		Time: e.At.UTC().Format(time.RFC3339Nano), Seq: e.Seq, Span: e.Span, Parent: e.Parent, Kind: e.Kind.String(),
		Call: Name(e.Func, e.Code), Function: e.Func.String(), Code: e.Code, Failed: e.Failed(), Thread: e.Thread,
		Body: e.Body, BodySize: e.BodySize, Masked: e.Masked,
		Image: o.Image, Generation: o.Generation, Pool: o.Pool, Worker: o.Worker, Pid: o.Pid,
		Site: a.Site, App: a.App, Client: a.Client, Method: a.Method, URL: a.URL,
	}
	if e.Request != 0 {
		j.Request = FormatID(e.Request)
	}
	if e.Kind != Enter {
		j.Result, j.ResultName, j.Took = &e.Result, e.ResultName(), e.Took.Seconds()
		if j.Error = e.Err; e.Err != 0 {
			j.ErrorName = isapi.Error(e.Err).Error()
		}
	}
	for i := range e.Args {
		arg := &e.Args[i]
		one := jsonArg{Name: arg.Name, Out: arg.Out, Cut: arg.Cut}
		switch {
		case arg.IsText:
			one.Text = &arg.Text
		case arg.Hex:
			one.Hex = "0x" + strconv.FormatUint(uint64(arg.Num), 16)
		default:
			one.Number = &arg.Num
		}
		j.Args = append(j.Args, one)
	}
	b, err := json.Marshal(&j)
	if err != nil {
		b = []byte(`{"kind":"unreadable"}`) // there is nothing in it that cannot be marshalled
	}
	return append(appendHarmless(dst, b), '\n')
}

// appendHarmless appends JSON with all characters escaped that are not to be seen. They can only stand in texts.
func appendHarmless(dst, b []byte) []byte {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r < 0x7f || unicode.IsPrint(r):
			dst = append(dst, b[:n]...)
		case r > 0xffff:
			r -= 0x10000
			dst = appendEscaped(appendEscaped(dst, 0xd800+r>>10), 0xdc00+r&0x3ff)
		default:
			dst = appendEscaped(dst, r)
		}
		b = b[n:]
	}
	return dst
}

func appendEscaped(dst []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
