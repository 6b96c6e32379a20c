package accesslog

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isapid/isapid/internal/config"
)

// period is a stretch of time whose lines are in one file; or in several, if that grows too long.
type period struct {
	begin, end time.Time // end is not in it; zero: for ever
}

// periodOf is the period that t is in. Days and the others are those of UTC; weeks begin on Sunday.
func periodOf(every config.Period, t time.Time) period {
	t = t.UTC()
	year, month, day := t.Date()
	date := func(y int, m time.Month, d, h int) time.Time { return time.Date(y, m, d, h, 0, 0, 0, time.UTC) }
	switch every {
	case config.Hourly:
		return period{date(year, month, day, t.Hour()), date(year, month, day, t.Hour()+1)}
	case config.Daily:
		return period{date(year, month, day, 0), date(year, month, day+1, 0)}
	case config.Weekly:
		sunday := day - int(t.Weekday())
		return period{date(year, month, sunday, 0), date(year, month, sunday+7, 0)}
	case config.Monthly:
		return period{date(year, month, 1, 0), date(year, month+1, 1, 0)}
	case config.Never:
	}
	return period{}
}

// over tells whether t is after the period.
func (p period) over(t time.Time) bool { return !p.end.IsZero() && !t.Before(p.end) }

// stamp is the period in the name of a file, as IIS writes it: year, month, day and hour with two digits each; of a week the month that it
// begins in, and its number there.
func (p period) stamp(every config.Period) string {
	switch every {
	case config.Hourly:
		return p.begin.Format("06010215")
	case config.Daily:
		return p.begin.Format("060102")
	case config.Weekly:
		return p.begin.Format("0601") + fmt.Sprintf("%02d", (p.begin.Day()-1)/7+1)
	case config.Monthly:
		return p.begin.Format("0601")
	case config.Never:
	}
	return ""
}

// names are those of the files of one log, in one folder.
type names struct {
	folder string
	fixed  string // the file that is written always has this name, and gets another when it is left; "": it has the name of IIS
	suffix string // ".log"
	every  config.Period
}

// base is what the names of files of a period have in common, without number and suffix.
func (n *names) base(p period) string {
	stamp := p.stamp(n.every)
	switch {
	case n.fixed != "":
		return strings.TrimSuffix(n.fixed, n.suffix) + "-" + stamp
	case stamp == "":
		return "u_extend"
	}
	return "u_ex" + stamp
}

// numbered is the name of file i of a period, from 1.
func (n *names) numbered(p period, i int) string {
	base := n.base(p)
	switch {
	case n.every == config.Never:
		return base + strconv.Itoa(i) + n.suffix
	case i == 1:
		return base + n.suffix
	}
	return base + "_" + strconv.Itoa(i) + n.suffix
}

// last is the highest number of a file of the period; 0: there is none.
func (n *names) last(p period) int {
	pattern := regexp.QuoteMeta(n.base(p))
	if n.every == config.Never {
		pattern += `([0-9]{1,9})`
	} else {
		pattern += `(?:_([0-9]{1,9}))?`
	}
	match := regexp.MustCompile(`^` + pattern + regexp.QuoteMeta(n.suffix) + `$`)
	highest := 0
	entries, _ := os.ReadDir(n.folder) // an error shows when a file is made there
	for _, e := range entries {
		m := match.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		i := 1
		if m[1] != "" {
			i, _ = strconv.Atoi(m[1]) // nine digits always fit
		}
		highest = max(highest, i)
	}
	return highest
}

// current is the file to write now.
func (n *names) current(p period) string {
	if n.fixed != "" {
		return filepath.Join(n.folder, n.fixed)
	}
	return filepath.Join(n.folder, n.numbered(p, max(n.last(p), 1)))
}

// next is the file after all that there are of the period.
func (n *names) next(p period) string { return filepath.Join(n.folder, n.numbered(p, n.last(p)+1)) }

// ours is what a name has that this log gives to files it leaves, whatever the period was.
func (n *names) ours() *regexp.Regexp {
	base := `u_ex(?:tend)?`
	if n.fixed != "" {
		base = regexp.QuoteMeta(strings.TrimSuffix(n.fixed, n.suffix) + "-")
	}
	return regexp.MustCompile(`^` + base + `[0-9]{1,9}(?:_[0-9]{1,9})?` + regexp.QuoteMeta(n.suffix) + `$`)
}

// prune removes the oldest files that have been left, so that keep of them stay. written is not one of those.
func (n *names) prune(keep int, written string) error {
	type left struct {
		name string
		at   time.Time
	}
	entries, err := os.ReadDir(n.folder)
	if err != nil {
		return err
	}
	ours := n.ours()
	var all []left
	for _, e := range entries {
		if e.Name() == filepath.Base(written) || !ours.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err == nil {
			all = append(all, left{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b left) int {
		if c := b.at.Compare(a.at); c != 0 {
			return c // the latest first
		}
		return strings.Compare(b.name, a.name)
	})
	for _, l := range all[min(keep, len(all)):] {
		if e := os.Remove(filepath.Join(n.folder, l.name)); e != nil {
			err = e
		}
	}
	return err
}
