package executor_test

import (
	"net/http"
	"testing"

	"github.com/isapid/isapid/internal/executor"
)

func TestCredentials(t *testing.T) {
	type want struct {
		name, password string
		given, good    bool
	}
	for name, c := range map[string]struct {
		lines []string
		want  want
	}{
		"none":           {nil, want{"", "", false, true}},
		"name":           {[]string{"Basic YTpi"}, want{"a", "b", true, true}},
		"two blanks":     {[]string{"basic  YTpi "}, want{"a", "b", true, true}},
		"tab":            {[]string{"Basic\tYTpi"}, want{"", "", false, true}},
		"empty name":     {[]string{"Basic OmI="}, want{"", "b", true, true}},
		"both empty":     {[]string{"Basic Og=="}, want{"", "", false, true}},
		"other scheme":   {[]string{"Bearer YTpi"}, want{"", "", false, true}},
		"no base64":      {[]string{"Basic !!"}, want{"", "", true, false}},
		"no colon":       {[]string{"Basic YWI="}, want{"", "", true, false}},
		"one of several": {[]string{"Basic YTpi", "Basic Yzpk"}, want{"", "", false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			var got want
			got.name, got.password, got.given, got.good = executor.Credentials(&http.Request{Header: http.Header{"Authorization": c.lines}})
			if got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}
