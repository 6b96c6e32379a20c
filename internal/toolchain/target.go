package toolchain

import (
	"fmt"
	"runtime"
	"strings"
)

// target is the system a library is for.
type target struct{ system, arch string }

func targetOf(name string) (target, error) {
	switch name {
	case "":
		return target{runtime.GOOS, runtime.GOARCH}, nil
	case "windows/amd64", "windows/386":
		system, arch, _ := strings.Cut(name, "/")
		return target{system, arch}, nil
	}
	return target{}, fmt.Errorf("compile for %q: no such target; use windows/amd64, windows/386 or none", name)
}

// cross tells whether it is another system than this one, or another machine.
func (to target) cross() bool { return to != target{runtime.GOOS, runtime.GOARCH} }

// asked is the name of a target that is not this system.
func (to target) asked() string {
	if !to.cross() {
		return ""
	}
	return to.system + "/" + to.arch
}

func (to target) ending() string {
	if to.system == "windows" {
		return ".dll"
	}
	return ".so"
}

// cross is how a language is compiled for Windows elsewhere.
type cross struct {
	tool     string // of MinGW-w64, behind the machine's name
	packages string // of Debian
}

// crossCompilers are the compilers for another system, best first. Those with POSIX threads know std::thread.
func (l *language) crossCompilers(to target) (names []string, packages string, err error) {
	if l.windows == nil {
		return nil, "", fmt.Errorf("%s for %s/%s: this needs a compiler that runs there", l.name, to.system, to.arch)
	}
	tool := map[string]string{"amd64": "x86_64", "386": "i686"}[to.arch] + "-w64-mingw32-" + l.windows.tool
	return []string{tool + "-posix", tool}, l.windows.packages, nil
}

// dllFlags make a DLL that needs no other one beside it but the system's, and on 386 exports functions of WINAPI under their
// plain names, as every host looks them up.
var dllFlags = []string{"-shared", "-static", "-Wl,--kill-at"}
