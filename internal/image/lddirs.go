package image

import (
	"debug/elf"
	"os"
	"runtime"
	"strings"
)

// triplets are the names Debian and its kin give the folders of each processor's libraries.
var triplets = map[string]string{
	"386": "i386-linux-gnu", "amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu", "arm": "arm-linux-gnueabihf",
	"riscv64": "riscv64-linux-gnu", "ppc64le": "powerpc64le-linux-gnu", "s390x": "s390x-linux-gnu",
	"loong64": "loongarch64-linux-gnu",
}

func triplet(f *elfFile) string { return triplets[f.arch()] }

// libDir is what the loader puts for $LIB.
func libDir(f *elfFile) string {
	if t := triplet(f); t != "" {
		if _, err := os.Stat("/lib/" + t); err == nil {
			return "lib/" + t
		}
	}
	if f.class == elf.ELFCLASS64 {
		return "lib64"
	}
	return "lib"
}

// standardDirs are the folders a loader looks in without being told, for an image of this system.
func standardDirs(i *Info) []string {
	switch {
	case runtime.GOOS != "linux":
		return []string{"/lib", "/usr/lib", "/usr/local/lib", "/usr/pkg/lib"}
	case i.Libc == "musl":
		return muslDirs(i.Arch)
	}
	var dirs []string
	if t := triplets[i.Arch]; t != "" {
		dirs = append(dirs, "/lib/"+t, "/usr/lib/"+t)
	}
	if i.Bits == 64 {
		dirs = append(dirs, "/lib64", "/usr/lib64")
	}
	return append(dirs, "/lib", "/usr/lib")
}

// muslDirs are those of musl's loader, which has a list where glibc has a cache.
func muslDirs(arch string) []string {
	cpu, _, _ := strings.Cut(triplets[arch], "-")
	list, err := os.ReadFile("/etc/ld-musl-" + cpu + ".path")
	if err != nil {
		return []string{"/lib", "/usr/local/lib", "/usr/lib"}
	}
	return strings.FieldsFunc(string(list), func(r rune) bool { return r == ':' || r == '\n' })
}
