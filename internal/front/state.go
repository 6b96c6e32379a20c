package front

import "github.com/isapid/isapid/internal/executor"

// Stats is what was counted since the start.
type Stats struct {
	Requests int64 // that ended
	Running  int64 // now
	Broken   int64 // responses that had begun and could not be completed
	Faults   int64 // contained in extensions
}

// Stats may be asked at any time, also after Drain.
func (f *Front) Stats() Stats {
	ended, running, broken := f.watch.count()
	return Stats{Requests: ended, Running: running, Broken: broken, Faults: f.cache.faults() + f.pools.faults()}
}

// Extension is a loaded image: an extension, a filter, or both.
type Extension struct {
	Image       string `json:"image"`
	Pool        string `json:"pool"`
	Description string `json:"description"` // what it said of itself in GetExtensionVersion or GetFilterVersion
	InProcess   bool   `json:"-"`           // it is loaded into this process
	Filter      bool   `json:"filter,omitempty"`

	// Of one in this process.
	version          executor.Version
	generation       int
	requests, faults int64
}

// Extensions lists what is loaded, by image and pool.
func (f *Front) Extensions() []Extension { return f.cache.loaded() }

// Route is one handler of one site.
type Route struct {
	Site        string   `json:"site"`
	Bindings    []string `json:"bindings"`
	Application string   `json:"application"`
	Pattern     string   `json:"pattern"`
	Handler     string   `json:"handler"`         // "isapi", "script map", "extension" or "static"
	Image       string   `json:"image,omitempty"` // "": the URL names it, or files are served
	Pool        string   `json:"pool,omitempty"`
}

// Routes lists the handlers of all sites, in the order they are asked within an application.
func (f *Front) Routes() []Route {
	list := []Route{}
	in := f.setup.Load()
	for i, s := range in.sites {
		var bindings []string
		for _, b := range in.cfg.Sites[i].Bindings {
			bindings = append(bindings, b.String())
		}
		for _, row := range s.Describe() {
			list = append(list, Route{s.Name(), bindings, row.Application, row.Pattern, row.What, row.Image, row.Pool})
		}
	}
	return list
}
