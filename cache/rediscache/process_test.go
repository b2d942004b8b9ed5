package rediscache_test

const roleVariable = "REDISCACHE_TEST_ROLE"

func play(string) int { return 0 }
