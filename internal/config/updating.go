package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml/ast"
)

func (v value) update(u *Update) {
	modeKnown := true
	v.object("update", fields{
		"watch":       func(v value) { v.flag(&u.Watch) },
		"mode":        func(v value) { modeKnown = word(v, &u.Mode, UpdateOverlap, UpdateHold) },
		"verify":      func(v value) { v.verify(&u.Verify) },
		"canary":      func(v value) { v.percent(&u.Canary) },
		"canary_time": func(v value) { v.durationFrom(&u.CanaryTime, shortest, day) },
		"window":      func(v value) { v.duration(&u.Window, day) },
		"factor":      func(v value) { v.factor(&u.Factor) },
		"backups":     func(v value) { v.number(&u.Backups, 0, 100) },
	})
	if modeKnown {
		v.d.checkUpdate(u)
	}
}

// checkUpdate finds keys that another one makes meaningless. What is written out to be off disturbs nobody.
func (d *decoder) checkUpdate(u *Update) {
	given := func(field any) bool { _, ok := d.at[field]; return ok }
	if u.Canary > 0 && u.Mode == UpdateHold {
		d.errorOn(&u.Canary, `"canary" is only for updates that overlap: with "mode: hold" two versions never run at a time`, `write "mode: overlap", or remove the key`)
	}
	if given(&u.CanaryTime) && u.Canary == 0 {
		d.errorOn(&u.CanaryTime, `"canary_time" means nothing without a canary`, `add "canary: 10%", or remove the key`)
	}
	if given(&u.Factor) && u.Window == 0 && u.Canary == 0 {
		d.errorOn(&u.Factor, `"factor" means nothing when a new version is not watched`, `make "window" longer than 0, or remove the key`)
	}
}

func (v value) verify(field **Verify) {
	given := Verify{Status: 200, Timeout: 10 * time.Second}
	v.object("verify", fields{
		"path":    func(v value) { v.requestTarget(&given.Path) },
		"status":  func(v value) { v.number(&given.Status, 100, 599) },
		"timeout": func(v value) { v.durationFrom(&given.Timeout, shortest, day) },
	})
	if _, ok := v.d.at[&given.Path]; !ok {
		v.fail("verify has no path", `add a line like "path: /health"`)
	}
	*field = &given
}

// requestTarget takes a URL's path, and a query if there is one, as they stand in the first line of a request.
func (v value) requestTarget(field *string) {
	if !v.text(field) {
		return
	}
	_, err := url.ParseRequestURI(*field)
	bad := strings.ContainsFunc(*field, func(c rune) bool {
		return unicode.IsControl(c) || unicode.IsSpace(c) || c == '#' || c == unicode.ReplacementChar
	})
	switch {
	case !strings.HasPrefix(*field, "/"):
		v.fail(fmt.Sprintf("%q is %q, which does not begin with a slash", v.key, *field), `write it like "/health" or "/health?deep=1"`)
	case bad || err != nil:
		v.fail(fmt.Sprintf("%q is %q, which cannot be asked for", v.key, *field), "write spaces and special characters as %20 and so on, and no #")
	}
}

var percentText = regexp.MustCompile(`^(0|[0-9]{1,3}%)$`)

// percent takes a share such as 10%, which is less than all.
func (v value) percent(field *int) {
	s, _ := scalar(v.node)
	if !percentText.MatchString(s) {
		v.fail(fmt.Sprintf("%q must be a share in per cent, not %s", v.key, describe(v.node)), "write it like 10%; 0 is none")
		return
	}
	n, _ := strconv.Atoi(strings.TrimSuffix(s, "%")) // three digits always fit
	if n > 99 {
		v.fail(fmt.Sprintf("%q is %s", v.key, s), "allowed: 0 to 99%")
		return
	}
	*field = n
	v.set(field)
}

var factorText = regexp.MustCompile(`^[0-9]{1,5}(\.[0-9]{1,9})?$`)

// factor takes a number that makes more of what it is multiplied with.
func (v value) factor(field *float64) {
	s, _ := scalar(v.node)
	if _, text := v.node.(*ast.StringNode); text || !factorText.MatchString(s) {
		v.fail(fmt.Sprintf("%q must be a number, not %s", v.key, describe(v.node)), "write it like 2 or 1.5")
		return
	}
	n, _ := strconv.ParseFloat(s, 64) // so many digits always fit
	if n <= 1 || n > 1000 {
		v.fail(fmt.Sprintf("%q is %s", v.key, s), "allowed: more than 1, up to 1000")
		return
	}
	*field = n
	v.set(field)
}
