//go:build linux || windows

package proc

import "fmt"

func (c *Cgroup) memory() string {
	n, unit := c.MemoryMax, "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if n%1024 != 0 {
			break
		}
		n, unit = n/1024, u
	}
	return fmt.Sprintf("memory limit %d %s", n, unit)
}

func (c *Cgroup) cpu() string {
	return fmt.Sprintf("CPU limit %g processors", float64(c.CPUMax)/1000)
}
