package build

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/isapid/isapid/internal/toolchain"
)

// pascal is the command of a compiler for windows/amd64, with units of the run-time library that it made of the sources: Debian has
// the compiler, which can do that, and the sources, but not the units.
func pascal(ctx context.Context, target string) (string, error) {
	gone := &toolchain.MissingError{Language: "Pascal", Target: target, Package: "fp-compiler fpc-source"}
	if target != "windows/amd64" {
		gone.Package = "none has one for it"
		return "", gone
	}
	found, err := filepath.Glob("/usr/share/fpcsrc/*/rtl/win64/buildrtl.pp")
	if err != nil || len(found) == 0 {
		return "", gone
	}
	const compiler = "ppcx64"
	version, err := exec.CommandContext(ctx, compiler, "-iW").Output()
	if err != nil {
		return "", gone
	}
	source := filepath.Dir(found[len(found)-1])
	key := sha256.New()
	fmt.Fprintln(key, "Pascal units", strings.TrimSpace(string(version)), source)
	units, err := cached(key, "units", func(dir string) error { return pascalUnits(ctx, compiler, source, filepath.Join(dir, "units")) })
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s -n -Twin64 -Fu%s", compiler, units), nil
}

// pascalUnits compiles the run-time library into a new folder.
func pascalUnits(ctx context.Context, compiler, source, to string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	args := []string{"-n", "-Twin64", "-O2", "-v0", "-FU" + to, "-Fu" + to}
	for _, dir := range []string{"inc", "x86_64", "win", "win/wininc", "objpas", "objpas/sysutils", "objpas/classes", "common", "charmaps"} {
		args = append(args, "-Fi../"+dir, "-Fu../"+dir)
	}
	for _, step := range [][]string{{"-Us", "-Sg", "system.pp"}, {"../inc/uuchar.pp"}, {"../objpas/objpas.pp"}, {"sysinit.pp"}, {"buildrtl.pp"}, {"../inc/lineinfo.pp"}, {"../inc/lnfodwrf.pp"}} {
		cmd := exec.CommandContext(ctx, compiler, append(args[:len(args):len(args)], step...)...)
		cmd.Dir = source
		if said, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("compile the run-time library of Pascal: %w\n%s", err, said)
		}
	}
	return nil
}
