package site

// Row is one line of what `isapid check` prints: what answers which URLs.
type Row struct {
	Application string // path
	Pattern     string // of the handler; "*" for static files
	What        string // "isapi", "script map", "extension" or "static"
	Pool        string // "" for static files
	Image       string // "" when the URL names it, and for static files
}

// Describe lists the handlers of every application in the order in which they are asked.
func (s *Site) Describe() []Row {
	var rows []Row
	for _, a := range s.apps {
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
