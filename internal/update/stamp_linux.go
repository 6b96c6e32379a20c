package update

import (
	"io/fs"
	"syscall"
)

func stampOf(st fs.FileInfo) Stamp {
	s := Stamp{Size: st.Size(), Modified: st.ModTime().UnixNano()}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		s.Changed = sys.Ctim.Nano()
		s.Device, s.Inode = uint64(sys.Dev), sys.Ino
	}
	return s
}
