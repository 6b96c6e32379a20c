package update

// Stamp tells whether a file is the one it was. Times in it are only compared for equality: a clock may jump.
type Stamp struct {
	Size          int64 // in bytes
	Modified      int64 // nanoseconds
	Changed       int64 // nanoseconds, of its content, its names or its rights; 0 where the system does not say
	Device, Inode uint64
}

// sameContent tells whether it is the same file, though it may have got another name or other rights.
func (s Stamp) sameContent(t Stamp) bool {
	t.Changed = s.Changed
	return s == t
}
