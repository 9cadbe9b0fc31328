package stint

import "time"

// datedList is a status list as it was at one instant.
type datedList struct {
	dated
	statuses statuses
	// Exclusive.
	expiresAt time.Time
	ttl       time.Duration
}

// datedListOf takes a list that was fetched and holds. One that is older than what was known of it before is not taken, and what that has
// as invalid stays so.
func datedListOf(verified *verifiedStatusList, sent, received instant, earlier *datedList) (*datedList, *Refusal) {
	if earlier != nil && verified.issuedAt.Before(earlier.madeAt) {
		return nil, refuse(Stale, "the status list is older than the one before")
	}
	unpacked, refused := verified.unpacked()
	if refused != nil {
		return nil, refused
	}
	if earlier != nil {
		unpacked = unpacked.withInvalidOf(earlier.statuses)
	}
	return &datedList{
		// It has all that was recorded by then.
		dated:    datedBy(verified.issuedAt, sent, received),
		statuses: unpacked, expiresAt: verified.expiresAt, ttl: verified.ttl,
	}, nil
}

// unfitness is why a list tells nothing at present; empty when it does.
func (list *datedList) unfitness(now instant, bound time.Duration) Code {
	if list == nil {
		return NotReady
	}
	if !now.wall.Before(list.expiresAt) {
		return Stale
	}
	return list.dated.unfitness(now, bound)
}
