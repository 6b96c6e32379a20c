package config

import (
	"fmt"
	"maps"
	"os"
	"slices"
)

// check looks at what only several values together, or the file system, can tell.
func (d *decoder) check(c *Config) {
	names := map[string]bool{}
	ids := map[int]string{}
	d.filterFiles(c.Filters, nil, "")
	for i := range c.Sites {
		s := &c.Sites[i]
		if s.Name != "" && names[s.Name] {
			d.errorOn(&s.Name, fmt.Sprintf("site name %q is taken by an earlier site", s.Name), "give each site its own name")
		}
		names[s.Name] = true
		if other, taken := ids[s.ID]; taken {
			d.errorOn(d.first(&s.ID, s), fmt.Sprintf("site id %d is taken by site %q", s.ID, other), `give this site another "id"`)
		}
		ids[s.ID] = s.Name
		d.checkDirectories(s)
		d.checkPaths(s)
		d.checkPools(c, s)
		d.checkFilters(c, s)
		d.checkUsers(c, s)
		d.checkCertificate(s)
	}
	d.checkBindings(c)
}

// first returns the first of the fields that the file sets.
func (d *decoder) first(fields ...any) any {
	for _, f := range fields {
		if _, ok := d.at[f]; ok {
			return f
		}
	}
	return nil
}

func (d *decoder) checkDirectories(s *Site) {
	d.isDirectory(&s.Root, "root", s.Root)
	for i := range s.VirtualDirectories {
		v := &s.VirtualDirectories[i]
		d.isDirectory(&v.Directory, "directory", v.Directory)
	}
	for i := range s.Applications {
		a := &s.Applications[i]
		d.isDirectory(&a.Directory, "directory", a.Directory)
	}
}

func (d *decoder) isDirectory(field any, what, path string) {
	if path == "" {
		return // missing, or as good as the root
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		d.errorOn(field, fmt.Sprintf("%s %q cannot be used: %v", what, path, reason(err)), "create the directory or correct the path")
	case !info.IsDir():
		d.errorOn(field, fmt.Sprintf("%s %q is not a directory", what, path), "name the folder, not a file in it")
	}
}

func (d *decoder) isFile(v value, what, path string) {
	v.set(&path)
	d.fileOn(&path, what, path)
}

// fileOn reports on field when path is not a file.
func (d *decoder) fileOn(field any, what, path string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		d.errorOn(field, fmt.Sprintf("%s %q cannot be used: %v", what, path, reason(err)), "create the file or correct the path")
	case !info.Mode().IsRegular():
		d.errorOn(field, fmt.Sprintf("%s %q is not a file", what, path), "")
	}
}

// checkPaths finds two things mounted on one URL.
func (d *decoder) checkPaths(s *Site) {
	apps := map[string]bool{}
	mounts := map[string]bool{}
	for i := range s.Applications {
		a := &s.Applications[i]
		if a.Path != "" && apps[a.Path] {
			d.errorOn(&a.Path, fmt.Sprintf("application path %q appears twice in site %q", a.Path, s.Name), "put all its handlers into one application")
		}
		apps[a.Path] = true
		if a.Path == "/" && a.Directory != "" {
			d.errorOn(&a.Directory, `the application "/" has the site's root as its directory`, `set "root" of the site instead`)
		}
		if a.Directory != "" {
			mounts[a.Path] = true
		}
	}
	for i := range s.VirtualDirectories {
		v := &s.VirtualDirectories[i]
		if v.Path != "" && mounts[v.Path] {
			d.errorOn(&v.Path, fmt.Sprintf("path %q already has a directory in site %q", v.Path, s.Name), "each path can have one")
		}
		mounts[v.Path] = true
	}
}

func (d *decoder) checkPools(c *Config, s *Site) {
	for i := range s.Applications {
		a := &s.Applications[i]
		if _, ok := c.Pools[a.Pool]; !ok {
			d.errorOn(&a.Pool, fmt.Sprintf("pool %q is not defined", a.Pool), suggest(a.Pool, "pools", slices.Collect(maps.Keys(c.Pools))))
		}
	}
}

func (d *decoder) checkCertificate(s *Site) {
	i := slices.IndexFunc(s.Bindings, func(b Binding) bool { return b.TLS })
	d.checkClients(s, i >= 0)
	switch {
	case i < 0 && s.Certificate == "" && s.Key == "":
		return
	case s.Certificate == "" && s.Key == "":
		d.errorOn(&s.Bindings[i], fmt.Sprintf("binding %q needs a certificate", s.Bindings[i]), `add "certificate:" and "key:" to the site`)
	case s.Key == "":
		d.errorOn(&s.Certificate, "a certificate without its key", `add "key:"`)
	case s.Certificate == "":
		d.errorOn(&s.Key, "a key without its certificate", `add "certificate:"`)
	default:
		d.fileOn(&s.Certificate, "certificate", s.Certificate)
		d.fileOn(&s.Key, "key", s.Key)
	}
}

// checkClients is about certificates of clients; secure says whether there is a binding for them.
func (d *decoder) checkClients(s *Site, secure bool) {
	asked := s.ClientCertificates != ClientNone
	switch {
	case asked && !secure && len(s.Bindings) > 0:
		d.errorOn(&s.ClientCertificates, "client certificates without a binding for them", `add one like "https://:443" to "bindings"`)
	case !asked && s.ClientCA != "":
		d.errorOn(&s.ClientCA, "nobody asks for the client certificates it is for", `add "client_certificates: request" or "require"`)
	case s.ClientCA != "":
		d.fileOn(&s.ClientCA, "client_ca", s.ClientCA)
	}
}

// checkBindings compares every binding with all earlier ones.
func (d *decoder) checkBindings(c *Config) {
	type used struct {
		b    *Binding
		site string
	}
	var earlier []used
	for i := range c.Sites {
		s := &c.Sites[i]
		for j := range s.Bindings {
			b := &s.Bindings[j]
			if b.Port == 0 && *b != (Binding{}) || *b == (Binding{}) {
				continue // any free port collides with nothing; an empty one has been reported
			}
			for _, e := range earlier {
				if msg, hint := collision(*b, *e.b, e.site); msg != "" {
					d.errorOn(b, msg, hint)
					break
				}
			}
			earlier = append(earlier, used{b, s.Name})
		}
	}
}

func collision(b, e Binding, site string) (msg, hint string) {
	switch {
	case b.overlaps(e):
		return fmt.Sprintf("binding %q and binding %q of site %q share a port", b, e, site), "listen on every address once, and tell sites apart by host name"
	case b.Address != e.Address || b.Port != e.Port:
		return "", ""
	case b.TLS != e.TLS:
		return fmt.Sprintf("binding %q and binding %q of site %q want http and https on one address", b, e, site), "give https a port of its own"
	case b.Host == e.Host:
		return fmt.Sprintf("binding %q is taken by site %q", b, site), "give one of them another port or host name"
	}
	return "", ""
}

// reason shortens an error of the file system to its cause: the path is in the message already.
func reason(err error) error {
	if p, ok := err.(*os.PathError); ok { //nolint:errorlint // os.Stat returns exactly this type
		return p.Err
	}
	return err
}
