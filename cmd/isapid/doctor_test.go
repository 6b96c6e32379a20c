package main

import (
	"slices"
	"testing"
)

func TestDoctorCompilers(t *testing.T) {
	for _, name := range []string{"CC", "CXX", "FPC"} {
		t.Setenv(name, "")
	}
	t.Setenv("PATH", t.TempDir())
	var d doctor
	d.lookCompilers(t.Context())
	want := []diagnosis{
		{Level: levelNote, About: "compiler for C", Text: `there is none, which "isapid run x.c" needs`, Mend: "on Debian: apt-get install gcc"},
		{Level: levelNote, About: "compiler for C++", Text: `there is none, which "isapid run x.cpp" needs`, Mend: "on Debian: apt-get install g++"},
		{Level: levelNote, About: "compiler for Pascal", Text: `there is none, which "isapid run x.pas" needs`, Mend: "on Debian: apt-get install fp-compiler"},
	}
	if !slices.Equal(d.found, want) {
		t.Errorf("got %+v", d.found)
	}
	if err := d.err(); err != nil {
		t.Errorf("notes are a failure: %v", err)
	}
}
