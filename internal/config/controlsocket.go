package config

import (
	"fmt"
	"os"
	"path/filepath"
)

// ControlSocket returns the control socket of the configuration at path, "" if it has none. Other things in the file may be wrong: who
// repairs a configuration still has to reach the server that runs.
func ControlSocket(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read configuration: %w", err)
	}
	if len(data) > maxFile {
		return "", tooLong(path)
	}
	file, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("read configuration: %w", err)
	}
	d := &decoder{name: path, dir: filepath.Dir(file), at: map[any]position{}}
	c := Control{Socket: DefaultControlSocket()}
	if root := d.parse(data); root != nil {
		value{d, "", root}.entries("the configuration", func(key string, _ position, item value) {
			if key == "control" {
				item.control(&c)
			}
		})
	}
	return c.Socket, d.err()
}
