package update

// Stamp tells whether a file is the one it was. Times in it are only compared for equality: a clock may jump.
type Stamp struct {
	Size          int64 // in bytes
	Modified      int64 // nanoseconds
	Changed       int64 // nanoseconds, of its content or its rights; 0 where the system does not say
	Device, Inode uint64
}
