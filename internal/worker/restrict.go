package worker

import "github.com/isapid/isapid/internal/wire"

// restrict takes from this process what the greeting says it is not to have.
func restrict(*wire.FrontHello) (notes []string, err error) { return nil, nil }
