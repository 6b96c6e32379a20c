package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Log says where log lines go.
type Log struct {
	File   string // "": standard error
	Level  string // debug, info, warn or error
	Format LogFormat
	Levels map[string]string // by subsystem, one of [Subsystems]; what is not here has Level
	Access *AccessLog        // nil: no access log
}

// SiteLog says what is logged of a site.
type SiteLog struct {
	Access bool // its requests are in the access log, if there is one
}

// LogFormat says how lines of the log are written.
type LogFormat string

// The formats of the log.
const (
	LogAuto    LogFormat = "auto"    // LogJournal where the standard error is the journal's, otherwise LogText
	LogText    LogFormat = "text"    // key=value
	LogJSON    LogFormat = "json"    // an object a line
	LogJournal LogFormat = "journal" // text with the priority before it and without the time; for the standard error only
)

// Subsystems are the parts of the server that can have a level of the log of their own.
var Subsystems = []string{"access", "control", "extension", "http", "pool", "server", "swap", "tracing", "wine", "worker"}

// AccessLog says how requests are logged, and where. One of File and Directory is set.
type AccessLog struct {
	Format    AccessFormat
	File      string   // one file for all sites
	Directory string   // has a folder W3SVC<id> for each site, with files named as IIS names them
	Fields    []string // of AccessW3C, in order; empty: those of IIS, with s-sitename if there is one file for all sites
	Software  string   // in the directive #Software; "": this server's name and version
	Rotate    Rotate
	Keep      int // files that have been left for another, of each site; older ones are removed. 0: all stay
}

// JSONAccessLog is an access log of one file, which is never left for another.
func JSONAccessLog(file string) *AccessLog {
	return &AccessLog{Format: AccessJSON, File: file, Rotate: Rotate{Every: Never}}
}

// AccessFormat is the format of an access log.
type AccessFormat string

// The formats of an access log.
const (
	AccessW3C  AccessFormat = "w3c"  // W3C extended, as IIS writes it
	AccessJSON AccessFormat = "json" // an object a line
)

// Rotate says when another file is begun. The zero value is never.
type Rotate struct {
	Every Period
	Size  int64 // bytes after which another file is begun; 0: any number
}

// Period is a time after which another file is begun, by UTC.
type Period string

// The periods.
const (
	Never   Period = "never"
	Hourly  Period = "hour"
	Daily   Period = "day"
	Weekly  Period = "week"
	Monthly Period = "month"
)

// AccessFields are the fields of a W3C extended log, in the order of IIS. Besides there are cs(NAME) and sc(NAME) for any other header
// of requests and responses.
var AccessFields = []string{
	"date", "time", "s-sitename", "s-computername", "s-ip", "cs-method", "cs-uri-stem", "cs-uri-query", "s-port", "cs-username", "c-ip",
	"cs-version", "cs(User-Agent)", "cs(Cookie)", "cs(Referer)", "cs-host", "sc-status", "sc-substatus", "sc-win32-status", "sc-bytes",
	"cs-bytes", "time-taken",
}

func (v value) log(l *Log) {
	var access, file value
	name := ""
	v.object("log", fields{
		"file":        func(v value) { v.path(&l.File) },
		"access_file": func(v value) { file = v; v.path(&name) },
		"level":       func(v value) { v.choice(&l.Level, logLevels...) },
		"format":      func(v value) { word(v, &l.Format, LogAuto, LogText, LogJSON, LogJournal) },
		"levels":      func(v value) { v.levels(l.Levels) },
		"access":      func(v value) { access = v; v.access(&l.Access) },
	})
	switch {
	case access.d != nil && file.d != nil:
		file.fail(`"access_file" and "access" are two access logs`, `"access_file: NAME" is short for "access: {format: json, file: NAME}": keep one of them`)
	case name != "":
		l.Access = JSONAccessLog(name)
	}
	if l.Format == LogJournal && l.File != "" {
		v.d.errorOn(&l.Format, `the format "journal" is only for the standard error`, `remove "file", or write another "format"`)
	}
}

var logLevels = []string{"debug", "info", "warn", "error"}

func (v value) levels(table map[string]string) {
	v.entries("levels", func(name string, at position, item value) {
		if !slices.Contains(Subsystems, name) {
			v.d.errorAt(at, fmt.Sprintf("there is no subsystem %q", name), suggest(name, "subsystems", slices.Clone(Subsystems)))
			return
		}
		var level string
		if item.choice(&level, logLevels...) {
			table[name] = level
		}
	})
}

func (v value) access(field **AccessLog) {
	a := &AccessLog{Format: AccessW3C}
	*field = a
	ok := true
	note := func(good bool) { ok = ok && good }
	v.object("access", fields{
		"format":    func(v value) { note(word(v, &a.Format, AccessW3C, AccessJSON)) },
		"file":      func(v value) { v.path(&a.File) },
		"directory": func(v value) { v.path(&a.Directory) },
		"fields":    func(v value) { v.accessFields(&a.Fields) },
		"software":  func(v value) { v.software(&a.Software) },
		"rotate":    func(v value) { note(v.rotate(&a.Rotate)) },
		"keep":      func(v value) { v.number(&a.Keep, 0, 100_000) },
	})
	if a.Rotate.Every == "" {
		a.Rotate.Every = Never
		if a.Directory != "" {
			a.Rotate.Every = Daily
		}
	}
	if ok {
		v.checkAccess(a)
	}
}

// checkAccess looks at how the keys of an access log go together.
func (v value) checkAccess(a *AccessLog) {
	d := v.d
	_, file := d.at[&a.File]
	_, directory := d.at[&a.Directory]
	switch {
	case file && directory:
		d.errorOn(&a.Directory, `an access log has either a "file" or a "directory"`, "remove one: in a directory each site has files of its own")
	case !file && !directory:
		v.fail("the access log has no place", `add a line like "directory: /var/log/isapid" or "file: ./access.log"`)
	}
	if a.Format != AccessW3C {
		if len(a.Fields) > 0 {
			d.errorOn(&a.Fields, `"fields" is only for the format "w3c"`, `write "format: w3c", or remove the key`)
		}
		if a.Software != "" {
			d.errorOn(&a.Software, `"software" is only for the format "w3c"`, `write "format: w3c", or remove the key`)
		}
	}
	if a.Keep > 0 && a.Rotate == (Rotate{Every: Never}) {
		d.errorOn(&a.Keep, `"keep" means nothing when no other file is ever begun`, `add a line like "rotate: {every: day}", or remove the key`)
	}
}

// rotate says whether it was understood.
func (v value) rotate(r *Rotate) bool {
	ok := true
	v.object("rotate", fields{
		"every": func(v value) { ok = word(v, &r.Every, Never, Hourly, Daily, Weekly, Monthly) },
		"size":  func(v value) { v.sizeOrNone(&r.Size, 1<<20, 1<<40) },
	})
	return ok
}

var headerField = regexp.MustCompile(`^(?:cs|sc)\([A-Za-z0-9!#$%&'*+.^_|~-]{1,128}\)$`)

func (v value) accessFields(field *[]string) {
	v.set(field)
	items := v.list("fields")
	list := make([]string, 0, len(items))
	for _, item := range items {
		var name string
		if !item.text(&name) {
			continue
		}
		switch {
		case strings.Contains(name, "(") && !headerField.MatchString(name):
			item.fail(fmt.Sprintf("there is no field %q", name), `write it like "cs(User-Agent)"`)
		case !headerField.MatchString(name) && !slices.Contains(AccessFields, name):
			item.fail(fmt.Sprintf("there is no field %q", name), suggest(name, "fields", slices.Concat(AccessFields, []string{"cs(HEADER)", "sc(HEADER)"})))
		case slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) }):
			item.fail(fmt.Sprintf("the field %q appears twice", name), "remove one")
		}
		list = append(list, name)
	}
	*field = list
	if len(items) == 0 {
		v.fail(fmt.Sprintf("%q is empty", v.key), "name at least one field, or remove the key")
	}
}

// software takes a text of one line.
func (v value) software(field *string) {
	if v.text(field) && strings.ContainsFunc(*field, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		v.fail(fmt.Sprintf("%q has more than one line, or a control character", v.key), `write it like "Microsoft Internet Information Services 10.0"`)
	}
}

// siteLog takes what a site can say of the log.
func (v value) siteLog(s *Site) {
	v.object("log", fields{
		"access": func(v value) { v.flag(&s.Log.Access) },
	})
}
