package toolchain

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// language is how one language is compiled.
type language struct {
	name      string
	endings   []string // of source files, lower case
	env       string   // the variable that names a compiler
	compilers []string // to look for, best first
	packages  string   // Debian package with one of them
	args      func(source, lib string, o Options) []string
	wished    []string // flags for compilers that know them
	windows   *cross   // how it is compiled for Windows elsewhere; nil: not at all
}

// Unique symbols, which g++ makes of statics in inline functions, would keep a C++ library in memory for ever.
var languages = []*language{
	{"C", []string{".c"}, "CC", []string{"cc", "gcc", "clang"}, "gcc", cArgs, nil, &cross{"gcc", "gcc-mingw-w64"}},
	{"C++", []string{".cpp", ".cc", ".cxx"}, "CXX", []string{"c++", "g++", "clang++"}, "g++", cppArgs, []string{"-fno-gnu-unique"}, &cross{"g++", "g++-mingw-w64"}},
	{"Pascal", []string{".pas", ".pp", ".dpr", ".lpr"}, "FPC", []string{"fpc"}, "fp-compiler", pascalArgs, nil, nil},
}

// CanCompile tells whether a file of this name is a source we know.
func CanCompile(name string) bool {
	_, err := languageOf(name)
	return err == nil
}

func languageOf(source string) (*language, error) {
	ending := strings.ToLower(filepath.Ext(source))
	var known []string
	for _, l := range languages {
		for _, e := range l.endings {
			if e == ending {
				return l, nil
			}
		}
		known = append(known, l.endings...)
	}
	return nil, fmt.Errorf("compile %q: no language has the ending %q; use one of %s", source, ending, strings.Join(known, " "))
}

// find answers the compiler's command: what was asked for, what the environment says, else the first there is.
// The environment's compiler is for this system, not for another.
func (l *language) find(asked string, to target) ([]string, error) {
	if asked == "" && !to.cross() {
		asked = os.Getenv(l.env)
	}
	if words := strings.Fields(asked); len(words) > 0 {
		if _, err := exec.LookPath(words[0]); err != nil {
			return nil, fmt.Errorf("%s compiler %q: %w", l.name, words[0], err)
		}
		return words, nil
	}
	names, packages := l.compilers, l.packages
	if to.cross() {
		var err error
		if names, packages, err = l.crossCompilers(to); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			return []string{name}, nil
		}
	}
	return nil, &MissingError{Language: l.name, Target: to.asked(), Package: packages}
}

// command is the compiler with all its arguments.
func (l *language) command(ctx context.Context, source, lib string, o Options) ([]string, error) {
	to, err := targetOf(o.Target)
	if err != nil {
		return nil, err
	}
	compiler, err := l.find(o.Compiler, to)
	if err != nil {
		return nil, err
	}
	command := slices.Clone(compiler)
	for _, flag := range l.wished {
		if knows(ctx, compiler, flag) {
			command = append(command, flag)
		}
	}
	return append(command, l.args(source, lib, o)...), nil
}

// knows asks the compiler whether it takes a flag, by having it compile nothing.
func knows(ctx context.Context, compiler []string, flag string) bool {
	args := append(slices.Clone(compiler[1:]), flag, "-fsyntax-only", "-x", "c++", os.DevNull)
	cmd := exec.CommandContext(ctx, compiler[0], args...)
	killGroup(cmd)
	return cmd.Run() == nil
}

// cArgs: position-independent code with names, lines and frame pointers, so that a crash can be told; POSIX and GNU
// functions visible whatever order the source includes its headers in.
func cArgs(source, lib string, o Options) []string {
	return compilerArgs("c", source, lib, o)
}

func cppArgs(source, lib string, o Options) []string {
	return append([]string{"-I", filepath.Join(o.SDK, "cpp")}, compilerArgs("c++", source, lib, o)...)
}

// compilerArgs names the language, because compilers do not know all endings we do (".CC", from a file system that does
// not care).
func compilerArgs(language, source, lib string, o Options) []string {
	args := []string{"-shared", "-fPIC"}
	if to, err := targetOf(o.Target); err == nil && to.system == "windows" {
		args = slices.Clone(dllFlags)
	}
	args = append(args,
		"-pthread", "-g", "-O1", "-fno-omit-frame-pointer", "-Wall", "-D_GNU_SOURCE",
		"-I", filepath.Join(o.SDK, "c"), "-I", filepath.Join(o.SDK, "c", "alias"),
	)
	var libraries []string // the linker takes from them what those before them lack
	for _, f := range o.Flags {
		if strings.HasPrefix(f, "-l") {
			libraries = append(libraries, f)
		} else {
			args = append(args, f)
		}
	}
	args = append(args, "-o", lib, "-x", language, source, "-x", "none")
	return append(append(args, o.Sources...), libraries...)
}

// pascalArgs: fpc would call the library lib<name>.so; told the output's whole name it does not.
func pascalArgs(source, lib string, o Options) []string {
	args := []string{
		"-Cg", "-O1", "-gl", "-gw2", "-vew", "-l-",
		"-Fu" + filepath.Join(o.SDK, "pascal"), "-Fi" + filepath.Join(o.SDK, "pascal"),
		"-FU" + filepath.Dir(lib), "-o" + lib,
	}
	args = append(args, o.Flags...)
	return append(args, source)
}
