module github.com/isapid/isapid

go 1.26
