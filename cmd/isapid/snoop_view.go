package main

import (
	"bufio"
	"fmt"
	"time"

	"github.com/isapid/isapid/internal/hub"
	"github.com/isapid/isapid/internal/trace"
)

// snoopView shows events as they come: as text, as JSON lines, or counted, all at the end.
type snoopView struct {
	out     *bufio.Writer
	json    bool
	count   bool
	text    *trace.Printer
	summary trace.Summary
	line    []byte
}

func newSnoopView(o *snoopOptions, out *bufio.Writer, color bool) *snoopView {
	return &snoopView{out: out, json: o.json, count: o.count, text: trace.NewPrinter(out, color)}
}

// batch shows the events of a record.
func (v *snoopView) batch(in *hub.Reader, r *hub.Record) error {
	process, _ := in.Process(r.Source)
	return trace.Decode(r.Events, func(e *trace.Event) error {
		if v.count {
			v.summary.Add(e)
			return nil
		}
		image, _ := in.Image(r.Source, e.Image)
		about, _ := in.About(r.Source, e.Request)
		origin := trace.Origin{Pool: process.Pool, Worker: process.Worker, Image: image.Path, Pid: process.Pid, Generation: image.Generation}
		if origin.Pool == "" {
			origin.Pool = image.Pool
		}
		if v.json {
			v.line = trace.AppendJSON(v.line[:0], e, origin, about)
			_, err := v.out.Write(v.line)
			return err
		}
		return v.text.Print(e, origin, about)
	})
}

// dropped shows how many events there is no room for.
func (v *snoopView) dropped(n uint64) {
	switch {
	case v.count:
		v.summary.Dropped += n
	case v.json:
		fmt.Fprintf(v.out, "{\"time\":%q,\"kind\":\"dropped\",\"events\":%d}\n", time.Now().UTC().Format(time.RFC3339Nano), n)
	default:
		v.text.Dropped(n) // an error shows with the next line
	}
}

// end shows what there is to be said in the end.
func (v *snoopView) end() {
	switch {
	case v.count && v.json:
		printJSON(v.out, struct {
			Calls   []trace.Row `json:"calls"`
			Dropped uint64      `json:"dropped"`
		}{v.summary.Rows(), v.summary.Dropped})
	case v.count:
		v.summary.Print(v.out) // an error shows when out is flushed
	}
}
