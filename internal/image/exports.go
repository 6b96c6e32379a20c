package image

import (
	"slices"
	"strconv"
	"strings"
)

// entryPoints are the names a host looks for, with the bytes of arguments that follow them where 32-bit Windows compilers
// decorate names.
var entryPoints = []struct{ name, arguments string }{
	{"GetExtensionVersion", "4"}, {"HttpExtensionProc", "4"}, {"TerminateExtension", "4"},
	{"GetFilterVersion", "4"}, {"HttpFilterProc", "12"}, {"TerminateFilter", "4"},
	{"DllMain", "12"},
}

// loaderMark is exported by isapiloader alone.
const loaderMark = "IsapiLoader"

// maxSymbol is how much of a symbol's name can matter, in bytes: the longest entry point in its longest C++ decoration
// starts well within it.
const maxSymbol = 64

// addExport notes symbol if it is an entry point under any of the names compilers give it. Of several names for one entry
// point the undecorated one counts, then the first.
func (i *Info) addExport(symbol string) {
	if symbol == loaderMark {
		i.Loader = true
	}
	name, mangled := entryPoint(symbol)
	if name == "" {
		return
	}
	list := &i.Exports
	if mangled {
		list = &i.Mangled
	}
	at := slices.IndexFunc(*list, func(e Export) bool { return e.Name == name })
	switch {
	case at < 0:
		*list = append(*list, Export{name, symbol})
	case symbol == name:
		(*list)[at].Symbol = symbol
	}
}

// entryPoint finds which entry point a symbol stands for: "GetFilterVersion", with a leading underscore, with "@" and the
// size of its arguments (stdcall), with both, or as a C++ compiler mangles it. A fastcall name ("@Name@4") stands for none:
// the function under it takes its arguments elsewhere.
func entryPoint(symbol string) (name string, mangled bool) {
	for _, e := range entryPoints {
		before, after, ok := strings.Cut(symbol, e.name)
		if !ok {
			continue
		}
		switch {
		case (before == "" || before == "_") && (after == "" || after == "@"+e.arguments):
			return e.name, false
		case before == "?" && strings.HasPrefix(after, "@@"): // Visual C++
			return e.name, true
		case before == "_Z"+strconv.Itoa(len(e.name)): // everybody else
			return e.name, true
		}
	}
	return "", false
}

// finishExports orders what was found as a host asks for it, and judges what it makes the image.
func (i *Info) finishExports() {
	place := func(name string) int {
		for n, e := range entryPoints {
			if e.name == name {
				return n
			}
		}
		return -1
	}
	byName := func(a, b Export) int { return place(a.Name) - place(b.Name) }
	slices.SortFunc(i.Exports, byName)
	slices.SortFunc(i.Mangled, byName)
	extension := i.exports("GetExtensionVersion") && i.exports("HttpExtensionProc")
	filter := i.exports("GetFilterVersion") && i.exports("HttpFilterProc")
	switch {
	case extension && filter:
		i.Kind = KindBoth
	case extension:
		i.Kind = KindExtension
	case filter:
		i.Kind = KindFilter
	}
}

func (i *Info) exports(name string) bool {
	return slices.ContainsFunc(i.Exports, func(e Export) bool { return e.Name == name })
}
