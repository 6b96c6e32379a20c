package config

import (
	"fmt"
	"strings"
)

func (v value) authentication(a *Authentication) {
	anonymous := true
	v.object("authentication", fields{
		"anonymous": func(v value) { v.flag(&anonymous); v.set(&a.Required) },
		"basic":     func(v value) { a.Basic = &Basic{}; v.basic(a.Basic) },
	})
	a.Required = !anonymous
	if a.Required && a.Basic == nil {
		v.d.errorOn(&a.Required, `nobody may come in: "anonymous" is false, and there is no other way`, `add a line like "basic: {realm: shop, users: ./shop.users}"`)
	}
}

func (v value) basic(b *Basic) {
	v.set(b)
	v.object("basic", fields{
		"realm": func(v value) { v.realm(&b.Realm) },
		"users": func(v value) { v.path(&b.Users) },
	})
	if _, given := v.d.at[&b.Realm]; !given {
		v.fail(`"basic" has no realm`, `add a line like "realm: shop": clients show it when they ask for the password`)
	}
}

// realm takes what can stand in quotes in a header as it is.
func (v value) realm(field *string) {
	bad := func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }
	if v.text(field) && strings.ContainsFunc(*field, bad) {
		v.fail(fmt.Sprintf("%q holds a character that cannot stand there", v.key), "use letters, digits and signs of ASCII, without quotes and backslashes")
	}
}

// checkUsers looks for the password files.
func (d *decoder) checkUsers(c *Config, s *Site) {
	for i := range s.Applications {
		a := &s.Applications[i]
		b := a.Authentication.Basic
		switch {
		case b == nil:
		case b.Users != "":
			d.fileOn(&b.Users, "password file", b.Users)
		case firstOf(c, s, a) == nil:
			d.errorOn(d.first(&b.Users, b), `"basic" has no users, and there is no filter to say who may come in`, `add a line like "users: ./shop.users"; "isapid passwd" makes such a file`)
		}
	}
}
