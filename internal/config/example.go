package config

import _ "embed"

// Example is a complete configuration with a comment for every key. Every value in it that has a default is that default.
//
//go:embed isapid.example.yaml
var Example string
