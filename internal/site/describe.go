package site

// Row is one line of what `isapid check` prints: what answers which URLs.
type Row struct {
	Application string // path
	Pattern     string // of the handler; "*" for static files
	What        string // "isapi", "script map", "extension" or "static"; "filter" or "basic", which stand before these
	Pool        string // "" for static files and for "basic"
	Image       string // "" when the URL names it, and for static files; the password file of "basic"
}

// Describe lists, for every application, its filters in the order of configuration, how it asks who somebody is, and its handlers in the
// order in which they are asked.
func (s *Site) Describe() []Row {
	var rows []Row
	for _, a := range s.apps {
		for _, f := range a.filters {
			rows = append(rows, Row{Application: a.Path, Pattern: "*", What: "filter", Pool: a.Pool, Image: f.Image})
		}
		if b := a.Authentication.Basic; b != nil {
			rows = append(rows, Row{Application: a.Path, Pattern: "*", What: "basic", Image: b.Users})
		}
		for _, h := range a.handlers {
			row := Row{Application: a.Path, Pattern: h.Path, What: h.what(), Pool: a.Pool, Image: h.Extension}
			if h.Static {
				row.Pool = ""
			}
			rows = append(rows, row)
		}
		if s.conf.Static {
			rows = append(rows, Row{Application: a.Path, Pattern: "*", What: "static"})
		}
	}
	return rows
}

func (h *handler) what() string {
	switch {
	case h.Static:
		return "static"
	case h.kind == image:
		return "isapi"
	case h.kind == script:
		return "script map"
	}
	return "extension"
}
