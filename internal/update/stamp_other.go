//go:build !linux

package update

import "io/fs"

func stampOf(st fs.FileInfo) Stamp {
	return Stamp{Size: st.Size(), Modified: st.ModTime().UnixNano()}
}
