package asleeptest

// TB is the part of testing.TB that [NewServer] needs. It keeps package
// testing out of programs that serve the fake.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// NewServer starts a server on a socket of the loopback interface and ends it
// with the test. Then it fails the test for each request that was outside the
// contract, unless Config.AllowViolations is set.
func NewServer(tb TB, config Config) *Server {
	tb.Helper()
	if err := config.Validate(); err != nil {
		tb.Fatalf("%v", err)
	}
	s := New(config)
	if _, err := s.Start(); err != nil {
		tb.Fatalf("asleeptest: no listener: %v", err)
	}
	tb.Cleanup(func() {
		tb.Helper()
		if err := s.Close(); err != nil {
			tb.Errorf("asleeptest: close: %v", err)
		}
		s.FailOnViolations(tb)
	})
	return s
}

// FailOnViolations fails the test for each request that was outside the
// contract, unless Config.AllowViolations is set. [NewServer] calls it at the
// end of the test; a test that uses [New] may defer it.
func (s *Server) FailOnViolations(tb TB) {
	tb.Helper()
	if s.config.AllowViolations {
		return
	}
	for _, v := range s.Violations() {
		tb.Errorf("asleeptest: request outside the contract: %s", v)
	}
}
