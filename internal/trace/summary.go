package trace

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// Summary counts calls by name. The zero value is an empty one, for one goroutine.
type Summary struct {
	rows    map[FuncCode]*Row
	Dropped uint64 // events that are not in it
}

// Row is one call in a summary.
type Row struct {
	Call    string        `json:"call"`
	Filter  bool          `json:"filter,omitempty"` // filters make or get it
	Calls   uint64        `json:"calls"`
	Errors  uint64        `json:"errors"`
	Total   time.Duration `json:"total_ns"` // with the calls inside
	Longest time.Duration `json:"longest_ns"`
}

// Mean is the time of one call.
func (r *Row) Mean() time.Duration {
	if r.Calls == 0 {
		return 0
	}
	return r.Total / time.Duration(min(r.Calls, 1<<62))
}

// mostRows are more than there are names; what an image asks for beyond is counted together.
const mostRows = 512

// Add counts an event.
func (s *Summary) Add(e *Event) {
	if e.Kind != Leave && e.Kind != Call {
		return
	}
	if s.rows == nil {
		s.rows = map[FuncCode]*Row{}
	}
	k := FuncCode{e.Func, e.Code}
	r := s.rows[k]
	if r == nil && len(s.rows) >= mostRows {
		k = FuncCode{}
		r = s.rows[k]
	}
	if r == nil {
		r = &Row{Call: Name(e.Func, e.Code), Filter: e.Func.Filters()}
		if k == (FuncCode{}) {
			r.Call = "(others)"
		}
		s.rows[k] = r
	}
	r.Calls++
	if e.Failed() {
		r.Errors++
	}
	r.Total += e.Took
	r.Longest = max(r.Longest, e.Took)
}

// Rows are the calls, those first that took longest together.
func (s *Summary) Rows() []Row {
	list := make([]Row, 0, len(s.rows))
	for _, r := range s.rows {
		list = append(list, *r)
	}
	slices.SortFunc(list, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Call, b.Call))
	})
	return list
}

// Print writes the table.
func (s *Summary) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "TOTAL\tMEAN\tLONGEST\tCALLS\tERRORS\t\t")
	for _, r := range s.Rows() {
		name := r.Call
		if r.Filter {
			name += " (filter)"
		}
		errors := ""
		if r.Errors > 0 {
			errors = fmt.Sprint(r.Errors)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t\t%s\n", Took(r.Total), Took(r.Mean()), Took(r.Longest), r.Calls, errors, name)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if s.Dropped > 0 {
		_, err := fmt.Fprintf(w, "… %d events dropped, which are not in the table\n", s.Dropped)
		return err
	}
	return nil
}
