package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/isapid/isapid/internal/image"
)

// print writes the block of one file for people: what it is line by line, problems last, as sentences. All text that comes
// from the file is made harmless for a terminal.
func (r *inspection) print(out io.Writer) {
	fmt.Fprintln(out, harmless(r.Path))
	if r.Info != nil {
		r.printInfo(out)
	}
	row(out, "description", harmless(r.Description))
	row(out, "priority", harmless(r.Priority))
	row(out, "wants", harmless(strings.ReplaceAll(r.Notifications, "|", " ")))
	switch {
	case r.Problem != "":
		fmt.Fprintf(out, "  It cannot be loaded here: %s.\n", r.Problem)
	case r.Wine:
		fmt.Fprintln(out, "  It can be loaded here, in a Windows worker under Wine.")
	default:
		fmt.Fprintln(out, "  It can be loaded here.")
	}
}

func (r *inspection) printInfo(out io.Writer) {
	i := r.Info
	row(out, "format", format(i))
	if i.Format == image.FormatELF || i.Format == image.FormatPE {
		row(out, "kind", string(i.Kind))
	}
	row(out, "exports", exports(i.Exports))
	row(out, "C++ exports", exports(i.Mangled))
	for n, l := range i.Needed {
		label := ""
		if n == 0 {
			label = "needs"
		}
		row(out, label, needed(l))
	}
	row(out, "soname", harmless(i.SONAME))
	row(out, "C library", i.Libc)
	row(out, "interpreter", harmless(i.Interpreter))
	row(out, "built by", strings.Join(toolchains(i), ", "))
	row(out, "build id", i.BuildID)
	row(out, "size", strconv.FormatInt(i.Size, 10)+" bytes")
	row(out, "sha256", i.SHA256)
	for _, why := range i.NoUnload {
		fmt.Fprintf(out, "  It cannot be unloaded once it is loaded: %s.\n", why)
	}
}

// row writes one line of a block, or none for an empty value.
func row(out io.Writer, label, value string) {
	if value != "" {
		fmt.Fprintf(out, "  %-12s %s\n", label, value)
	}
}

// format says in one line what kind of file it is: "ELF 64-bit shared library, linux/amd64".
func format(i *image.Info) string {
	s := string(i.Format)
	if i.Bits != 0 {
		s += fmt.Sprintf(" %d-bit", i.Bits)
	}
	if i.Type != "" && i.Type != image.TypeUnknown {
		s += " " + string(i.Type)
	}
	if i.Arch != "" {
		s += ", " + i.System + "/" + i.Arch
	}
	return s
}

func exports(list []image.Export) string {
	var s []string
	for _, e := range list {
		if e.Symbol != e.Name {
			s = append(s, e.Name+" (as "+harmless(e.Symbol)+")")
			continue
		}
		s = append(s, e.Name)
	}
	return strings.Join(s, ", ")
}

func needed(l image.Library) string {
	s := harmless(l.Name)
	if l.By != "" {
		s += " (for " + harmless(l.By) + ")"
	}
	switch {
	case l.Beside:
		return s + " => " + harmless(l.Path) + " (beside the image)"
	case l.System:
		return s + " => supplied by Windows"
	case l.Found:
		return s + " => " + harmless(l.Path)
	}
	return s + " => not found"
}

func toolchains(i *image.Info) []string {
	var s []string
	if i.Go {
		s = append(s, "Go")
	}
	if i.FreePascal {
		s = append(s, "Free Pascal")
	}
	return s
}

// harmless returns text as it is if it can do nothing to a terminal, else quoted.
func harmless(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) || !utf8.ValidString(text) {
		return strconv.Quote(text)
	}
	return text
}
