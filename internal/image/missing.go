package image

import (
	"fmt"
	"path/filepath"
	"strings"
)

// lacksLibrary judges the first library that is missing.
func (i *Info) lacksLibrary(h Host) string {
	missing := i.Missing(h)
	if len(missing) == 0 {
		return ""
	}
	l, by := missing[0], ""
	if l.By != "" {
		by = " (for " + printable(l.By) + ")"
	}
	return fmt.Sprintf("needs %s%s, which is not found: %s", printable(l.Name), by, l.Help())
}

// Missing are the libraries that a host does not find.
func (i *Info) Missing(h Host) (list []Library) {
	var own map[string]string // what is in the image's folder, if that is needed
	for _, l := range i.Needed {
		found := l.Found
		if h.Brings != nil && l.Path == "" && i.System == "windows" {
			if own == nil {
				own = folderNames(filepath.Dir(i.Path))
			}
			found = isAPISet(l.Name) || own[strings.ToLower(l.Name)] != "" || h.Brings(l.Name)
		}
		if !found {
			list = append(list, l)
		}
	}
	return list
}

// isAPISet tells whether a name stands for a set of functions, of which Windows and Wine know which DLL has them.
func isAPISet(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "api-ms-win-") || strings.HasPrefix(name, "ext-ms-")
}

// redistributables are libraries that come with a compiler or a database and not with the system. The first prefix that fits tells.
var redistributables = []struct{ prefix, help string }{
	{"vcruntime140d", debugBuild}, {"msvcp140d", debugBuild}, {"ucrtbased", debugBuild}, {"msvcr120d", debugBuild}, {"msvcr110d", debugBuild},
	{"msvcr100d", debugBuild}, {"msvcr90d", debugBuild}, {"msvcr80d", debugBuild}, {"msvcr71d", debugBuild}, {"mfc140d", debugBuild},
	{"msvcrtd", debugBuild},

	{"vcruntime140", visualC("2015-2022")}, {"msvcp140", visualC("2015-2022")}, {"concrt140", visualC("2015-2022")}, {"mfc140", visualC("2015-2022")},
	{"msvcr120", visualC("2013")}, {"msvcp120", visualC("2013")}, {"mfc120", visualC("2013")},
	{"msvcr110", visualC("2012")}, {"msvcp110", visualC("2012")}, {"mfc110", visualC("2012")},
	{"msvcr100", visualC("2010")}, {"msvcp100", visualC("2010")}, {"mfc100", visualC("2010")},
	{"msvcr90", visualC("2008")}, {"msvcp90", visualC("2008")}, {"mfc90", visualC("2008")},
	{"msvcr80", visualC("2005")}, {"msvcp80", visualC("2005")}, {"mfc80", visualC("2005")},
	{"msvcr7", visualC7}, {"msvcp7", visualC7}, {"mfc7", visualC7},
	{"mfc42", "it comes with Windows (32-bit) and not with Wine: take it from the system that the image ran on, and put it beside the image"},
	{"vcruntime", visualC("of its version")}, {"msvcp", visualC("of its version")}, {"msvcr", visualC("of its version")}, {"mfc", visualC("of its version")},

	{"msvbvm", "install the Visual Basic run-time (vbrun60sp6.exe; in the Wine prefix with wine), or put it beside the image"},

	{"borlndmm", delphi}, {"cc32", delphi}, {"midas", delphi}, {"stlpmt45", delphi},

	{"libstdc++", mingw}, {"libgcc_s", mingw}, {"libwinpthread", mingw}, {"libgomp", mingw}, {"libssp", mingw},

	{"libeay32", openSSL}, {"ssleay32", openSSL}, {"libcrypto-", openSSL}, {"libssl-", openSSL},

	{"gds32", database("Firebird or InterBase")}, {"fbclient", database("Firebird")}, {"oci.", database("Oracle")}, {"libmysql", database("MySQL")},
	{"libmariadb", database("MariaDB")}, {"libpq", database("PostgreSQL")}, {"sqlncli", database("SQL Server")}, {"ntwdblib", database("SQL Server (DB-Library)")},
	{"db2cli", database("DB2")},
}

const (
	visualC7   = "it came with programs made by Visual C++ .NET 2002 or 2003: take it from the system that the image ran on, and put it beside the image"
	debugBuild = "it is for debugging only and may not be passed on: build the image in its release configuration"
	delphi     = "it is a part of Delphi or C++Builder: put it beside the image, or build the image without run-time packages"
	mingw      = "it is a part of the compiler MinGW: link the image with -static, or put it beside the image"
	openSSL    = "it is a part of OpenSSL: take it from the system that the image ran on, and put it beside the image"
)

func visualC(version string) string {
	if strings.HasPrefix(version, "2") {
		version = "for Visual Studio " + version
	}
	return "install the Visual C++ redistributable " + version + ", or put it beside the image"
}

func database(product string) string {
	return "install the client of " + product + " for the image's processor, or put it beside the image"
}

// Help says how to come by the library, after "not found: ".
func (l Library) Help() string {
	name := strings.ToLower(l.Name)
	if strings.HasSuffix(name, ".bpl") {
		return delphi
	}
	if strings.HasSuffix(name, ".dll") {
		for _, r := range redistributables {
			if strings.HasPrefix(name, r.prefix) {
				return r.help
			}
		}
	}
	return "install it, or put it beside the image"
}
