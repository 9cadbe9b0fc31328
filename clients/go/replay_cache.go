package stint

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// By as much as the clock may be set back without the verifier refusing everything, a proof holds longer.
	proofKeepSeconds = dpopAgeSecondsMax + dpopAheadSecondsMax + 2*int64(clockSkewMax/time.Second)
	// Some 20 MiB, and more than a thousand requests a second.
	replayCapacity = 100_000
	// So that ten keys have to be in it together before others are refused.
	replayHolderShare = 10
)

// replayCache has the proofs that were used, for as long as they could be used again: a bounded number of them.
//
// A full cache refuses, since a proof that is forgotten early could be used twice. One key has a share of the room and no more, so that
// the holder who floods the cache is the one refused. See RFC 9449 section 11.1.
type replayCache struct {
	capacity int

	mutex sync.Mutex
	used  map[[sha256.Size]byte]bool
	// All are kept equally long, so they end in the order in which they came.
	order    *list.List
	byHolder map[string]int
}

type usedProof struct {
	digest   [sha256.Size]byte
	holder   string
	forgetAt int64
}

func newReplayCache(capacity int) *replayCache {
	return &replayCache{capacity: capacity, used: map[[sha256.Size]byte]bool{}, order: list.New(), byHolder: map[string]int{}}
}

// use takes a proof that holds in every other respect; a proof that does not hold must not be remembered. holder is the thumbprint of the
// proof's key.
func (cache *replayCache) use(holder, jti string, now int64) *Refusal {
	cache.mutex.Lock()
	defer cache.mutex.Unlock()
	cache.forget(now)
	// A digest of both: equally long whatever the jti, and no key can use up another key's jti.
	digest := sha256.Sum256([]byte(holder + " " + jti))
	if cache.used[digest] {
		return refuse(ProofReplayed, "the proof was used before")
	}
	share := (cache.capacity + replayHolderShare - 1) / replayHolderShare
	if len(cache.used) >= cache.capacity || cache.byHolder[holder] >= share {
		return refuse(Overloaded, "the verifier cannot remember more proofs at present")
	}
	cache.used[digest] = true
	cache.order.PushBack(usedProof{digest: digest, holder: holder, forgetAt: now + proofKeepSeconds})
	cache.byHolder[holder]++
	return nil
}

func (cache *replayCache) forget(now int64) {
	for first := cache.order.Front(); first != nil; first = cache.order.Front() {
		gone := first.Value.(usedProof)
		if gone.forgetAt > now {
			return
		}
		cache.order.Remove(first)
		delete(cache.used, gone.digest)
		if cache.byHolder[gone.holder]--; cache.byHolder[gone.holder] == 0 {
			delete(cache.byHolder, gone.holder)
		}
	}
}
