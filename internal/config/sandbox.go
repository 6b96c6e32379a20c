package config

import (
	"fmt"
	"os"
)

// sandbox takes what restricts something: with no list at all it would look safe and be nothing.
func (v value) sandbox(field **Sandbox) {
	var s Sandbox
	before := len(v.d.errs)
	v.object("sandbox", fields{
		"read":    func(v value) { v.existing(&s.Read) },
		"write":   func(v value) { v.existing(&s.Write) },
		"connect": func(v value) { v.ports(&s.Connect) },
		"bind":    func(v value) { v.ports(&s.Bind) },
	})
	if len(v.d.errs) == before && s.Read == nil && s.Write == nil && s.Connect == nil && s.Bind == nil {
		v.fail("the sandbox restricts nothing", `add "read", "write", "connect" or "bind"; [] allows nothing`)
	}
	*field = &s
}

// existing takes a list of files and folders that are there.
func (v value) existing(field *[]string) {
	v.paths("files or folders", field)
	for i, path := range *field {
		if path == "" {
			continue // reported
		}
		if _, err := os.Stat(path); err != nil {
			v.d.errorOn(&(*field)[i], fmt.Sprintf("%q names %q, which cannot be used: %v", v.key, path, reason(err)), "create it or correct the path")
		}
	}
}

func (v value) ports(field *[]uint16) {
	items := v.list("ports")
	list := make([]uint16, len(items))
	for i, item := range items {
		n := 0
		item.number(&n, 1, 65535)
		list[i] = uint16(n)
	}
	*field = list
}
