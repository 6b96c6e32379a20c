//go:build race

package native

// poke writes to the byte at p and does not change it, unless another thread writes to it at that moment: the race detector
// has atomic operations in C, where a fault could not be recovered from.
func poke(p uintptr) {
	b := (*byte)(ptr(p))
	*b = peek(b)
}
