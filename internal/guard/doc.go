// Package guard holds the rules of the house as tests.
//
// Some rules no linter knows: which room of the module may import which other,
// that every fuzz target starts from a seed, that the links in the documents
// lead somewhere. Each is a function here that reads the tree and returns what
// breaks the rule, in words that say what to do about it. Three tests apply
// them: TestImports to the graph that `go list` reports, TestTree to the files,
// and TestRulesBite to small trees made wrong on purpose, so that a rule that
// stopped working is noticed as well.
//
// A new package takes its place by a line in the table rooms (imports_test.go):
// what of the module it may import, and which modules of others. A package
// without a line fails, and so does an import that its line does not name, so
// a new dependency is always a decision somebody reads. A line for a package
// that is not there yet is allowed and does nothing.
//
// The package has no code outside its tests.
package guard
