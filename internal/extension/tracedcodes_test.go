package extension

import "testing"

// TestToldCodes: the arguments of every code that does something here are shown.
func TestToldCodes(t *testing.T) {
	for code := range supported {
		if !told[code].known {
			t.Errorf("%s: nobody says how its arguments are shown", code)
		}
	}
	for code := range told {
		if supported[code] == nil {
			t.Errorf("%s is shown, but does nothing", code)
		}
	}
}
