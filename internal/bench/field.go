package bench

// The field: ours, the bare client, and the peers.
var (
	ours         = Contender{"ours", newOurs}
	pipeline     = Contender{"our pipeline", newPipeline}
	bare         = Contender{"bare client", newBare}
	retryClient  = Contender{"retryablehttp", newRetryable}
	stackRatio   = Contender{"retryablehttp + gobreaker + x/time/rate", newStack}
	stackDefault = Contender{"retryablehttp + gobreaker (its defaults) + x/time/rate", newStackDefault}
	failsafeGo   = Contender{"failsafe-go", newFailsafe}
	restyV3      = Contender{"resty", newResty}
	awsAdaptive  = Contender{"AWS adaptive", newAWS}
)

// Field is everybody, ours first.
func Field() []Contender {
	return []Contender{ours, pipeline, bare, retryClient, stackRatio, failsafeGo, restyV3, awsAdaptive}
}

// tripping is the field where it matters how a breaker trips.
func tripping() []Contender { return append(Field(), stackDefault) }

// retriers are those who repeat calls: all but the bare client.
func retriers() (some []Contender) {
	for _, c := range Field() {
		if c.Name != bare.Name {
			some = append(some, c)
		}
	}
	return some
}

// limiters are those who can be given a rate.
func limiters() []Contender { return []Contender{ours, pipeline, stackRatio, failsafeGo, restyV3} }

// protected reports whether an outcome is of somebody with a breaker and a limiter.
func protected(o Outcome) bool {
	switch o.Contender {
	case stackRatio.Name, stackDefault.Name, failsafeGo.Name, restyV3.Name:
		return true
	}
	return false
}
