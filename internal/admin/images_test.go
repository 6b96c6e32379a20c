package admin

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func TestFindImage(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("paths are others there: TestFindImageOnWindows")
	}
	list := []Image{
		{"/srv/shop/proposal.so", []string{"shop/", "shop/orders"}, nil},
		{"/srv/shop/rewrite.so", nil, []string{"shop/orders", "shop/files"}},
		{"/srv/shop/list.so", []string{"shop/both"}, []string{"shop/orders"}},
		{"/srv/shop/edit.so", []string{"shop/both"}, nil},
		{"/srv/old/stock.so", []string{"old/stock"}, nil},
		{"/srv/new/stock.so", []string{"new/stock"}, nil},
		{"/srv/stock.so.so", nil, nil},
		{"/srv/price", []string{"price/"}, nil},
		{"/srv/price.so", nil, nil},
		{"/srv/odd.v2.so", nil, nil},
	}
	const all = "there are: /srv/new/stock.so (new/stock), /srv/odd.v2.so, /srv/old/stock.so (old/stock), /srv/price (price/), /srv/price.so, " +
		"/srv/shop/edit.so (shop/both), /srv/shop/list.so (shop/both, filter of shop/orders), /srv/shop/proposal.so (shop/, shop/orders), " +
		"/srv/shop/rewrite.so (filter of shop/orders, shop/files), /srv/stock.so.so"
	for name, want := range map[string]string{
		"/srv/shop/proposal.so":     "/srv/shop/proposal.so",
		"/srv//shop/./proposal.so":  "/srv/shop/proposal.so",
		"proposal.so":               "/srv/shop/proposal.so",
		"proposal":                  "/srv/shop/proposal.so",
		"shop/":                     "/srv/shop/proposal.so",
		"old/stock":                 "/srv/old/stock.so",
		"price":                     "/srv/price", // the name of a file goes before one without its extension
		"price.so":                  "/srv/price.so",
		"odd.v2":                    "/srv/odd.v2.so",
		"":                          "400 no image is named\nname it as SITE/APP, by its file or by its path; " + all,
		"stock":                     "409 \"stock\" may be 2 images\nname one by its path; there are: /srv/new/stock.so (new/stock), /srv/old/stock.so (old/stock)",
		"stock.so":                  "409 \"stock.so\" may be 2 images\nname one by its path; there are: /srv/new/stock.so (new/stock), /srv/old/stock.so (old/stock)",
		"shop/both":                 "409 \"shop/both\" may be 2 images\nname one by its path; there are: /srv/shop/edit.so (shop/both), /srv/shop/list.so (shop/both, filter of shop/orders)",
		"shop/orders":               "/srv/shop/proposal.so", // what answers goes before its filters
		"shop/files":                "/srv/shop/rewrite.so",
		"shop":                      "404 there is no image \"shop\"\n" + all,
		"Proposal":                  "404 there is no image \"Proposal\"\n" + all,
		"shop/order":                "404 there is no image \"shop/order\"\n" + all,
		"/srv/shop":                 "404 there is no image \"/srv/shop\"\n" + all,
		"shop/proposal.so":          "404 there is no image \"shop/proposal.so\"\n" + all,
		"/srv/shop/proposal.update": "404 there is no image \"/srv/shop/proposal.update\"\n" + all,
	} {
		image, err := FindImage(list, name)
		got := image.Path
		if e, ok := errors.AsType[*Error](err); ok {
			got = fmt.Sprintf("%d %v", e.Code, e)
		}
		if got != want {
			t.Errorf("%q:\ngot  %s\nwant %s", name, got, want)
		}
	}
}

func TestFindImageInFewAndMany(t *testing.T) {
	_, err := FindImage(nil, "x")
	if want := "there is no image \"x\"\nno image can be replaced: no handler names one, and no request has loaded one yet"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	var many []Image
	for n := range 25 {
		many = append(many, Image{Path: fmt.Sprintf("/%02d.so", n)})
	}
	_, err = FindImage(many, "x")
	if err == nil || !strings.HasSuffix(err.Error(), ", /19.so, and 5 more") {
		t.Errorf("got %v", err)
	}
}

func TestParseVersion(t *testing.T) {
	for to, want := range map[string]string{
		"": "1 ", "1": "1 ", "100": "100 ", "999": "999 ", "1000": "0 1000", "abcd": "0 abcd", "ABCD": "0 abcd", "0123": "0 0123",
		strings.Repeat("f", 64): "0 " + strings.Repeat("f", 64),
	} {
		number, hash, err := ParseVersion(to)
		if got := fmt.Sprintf("%d %s", number, hash); got != want || err != nil {
			t.Errorf("%q: got %q, %v", to, got, err)
		}
	}
	for _, to := range []string{"0", "-1", "abc", "012", "+1", "1.0", "latest", " 1", strings.Repeat("f", 65)} {
		if _, _, err := ParseVersion(to); err == nil {
			t.Errorf("%q is a version", to)
		}
	}
}
