package filters

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/testcert"
)

// TestClientCertificates: a filter learns who the client is by its certificate, over HTTP/1.1 and HTTP/2.
func TestClientCertificates(t *testing.T) {
	each(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, tls: true, clients: "request", app: filters(t, mode, built("filter_cert"))})
		own, other := s.certificate.Certificate, testcert.New(t, t.TempDir()).Certificate
		for _, c := range []struct {
			name  string
			certs []tls.Certificate
			h2    bool
			want  string // X-Subject, X-Flags, X-Der; "": there is no answer
		}{
			{"none", nil, false, " | 0 | 0 0 0 0000"},
			{"good", []tls.Certificate{own}, false, fmt.Sprintf("CN=isapid | 1 | 0 %d 1 3082", len(own.Certificate[0]))},
			{"good, HTTP/2", []tls.Certificate{own}, true, fmt.Sprintf("CN=isapid | 1 | 0 %d 1 3082", len(own.Certificate[0]))},
			{"unknown", []tls.Certificate{other}, false, ""},
		} {
			tr := &http.Transport{ForceAttemptHTTP2: c.h2, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: c.certs}}
			resp, err := (&http.Client{Transport: tr}).Get(s.url + "/page.txt")
			got := ""
			if err == nil {
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					t.Error(err)
				}
				resp.Body.Close()
				got = resp.Header.Get("X-Subject") + " | " + resp.Header.Get("X-Flags") + " | " + resp.Header.Get("X-Der")
				if c.h2 != (resp.ProtoMajor == 2) {
					t.Errorf("%s: %s", c.name, resp.Proto)
				}
			}
			tr.CloseIdleConnections()
			if got != c.want {
				t.Errorf("%s: got %q, %v, want %q", c.name, got, err, c.want)
			}
		}
	})
}
