module github.com/asleep-sdk/asleep

go 1.26.0
