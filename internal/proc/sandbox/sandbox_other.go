//go:build !linux

package sandbox

import "runtime"

// Restrict applies nothing on this system; the notes say so, in a sentence each.
func Restrict(s Sandbox) (notes []string, err error) {
	for _, n := range []struct {
		asked bool
		what  string
	}{
		{s.NoNewPrivs, "the gain of rights is"}, {s.Files, "files are"}, {s.Network, "TCP ports are"},
	} {
		if n.asked {
			notes = append(notes, "sandbox: "+n.what+" not restricted on "+runtime.GOOS)
		}
	}
	return notes, nil
}
