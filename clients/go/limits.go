package stint

import "time"

// Bounds of a verifier, as the broker has them: the unit is in the name or the type, the reason beside it.
const (
	// Checked before anything is parsed; many servers stop at 8 KiB for all headers together.
	jwtPresentedBytesMax = 8 * 1024

	grantElementsMax = 64
	// Members of one grant element's lists: more is a sign that "*" or another element was meant.
	grantListMax = 32
	// Of one element; a budget above this bounds nothing that a step could do in its time.
	grantCallsMax = 1_000_000

	// The usual limit of what servers take for a URL.
	uriBytesMax         = 2_048
	spiffeIDBytesMax    = 2_048
	trustDomainBytesMax = 255

	// Deeper than any header, set of claims or bundle.
	jsonDepthMax = 16

	// How long after exp a credential may still be accepted; the broker keeps a revocation for this time too.
	leewaySeconds = 5

	// A clock farther off than this is not believed.
	clockSkewMax = 5 * time.Second

	maxStalenessMax = 60 * time.Second

	svidTTLMax = time.Hour
)
