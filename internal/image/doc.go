// Package image deals with image files: what an extension or filter is loaded from.
//
// # Inspecting
//
// [Inspect] reads an ELF or PE file as the system's loader would and says what it is, which ISAPI entry points it
// exports, which libraries it needs and whether they are there. [Info.LoadableHere] turns that into one sentence for the
// person who wants to know why a library does not load.
//
// Image files are hostile: every length in them may lie. The parsers use the structures and constants of debug/elf and
// debug/pe but not their NewFile, which is made for files one trusts: it inflates compressed sections into memory, and
// copies a string per section or symbol from wherever the file says, so that a few megabytes cost hours. Here all reading
// goes through view, which knows the end of the file and never allocates more than it read.
//
// # Staging
//
// [Stage] makes the private copy that is really loaded, because overwriting a mapped file kills the process that mapped
// it, and because the dynamic loader takes a library it has already loaded under the same name for the new one.
// [StageVersion] makes one of other bytes than those at the image's path.
package image
