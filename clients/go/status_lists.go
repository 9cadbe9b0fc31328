package stint

import (
	"context"
	"strconv"
	"sync"
	"time"
)

const (
	// A list that nobody has asked about for so long is not fetched any more.
	listInUse = time.Minute
	// 16 KiB each. A broker of many processes has a few dozen at a time.
	listsMax   = 256
	listTTLMin = time.Second
	// However many tokens come whose list tells nothing.
	listAskedAnewMin = time.Second
	// Of an answer: a list of eight bits a token that does not compress, in base64url twice.
	listBytesMax = 256 * 1024
)

var listUnfitWords = map[Code]string{
	NotReady:    "the status list of the token is not known",
	Stale:       "what is known of the status list of the token is out of date",
	ClockSkewed: "the clock of the verifier is behind that of the broker",
}

// statusLists are those of one issuer that are in use: of the tokens that were presented here lately.
type statusLists struct {
	at       issuerAt
	keys     *issuerKeys
	denials  *listeners
	underWay *sync.WaitGroup

	mutex    sync.Mutex
	isClosed bool
	byName   map[string]*keptList
	// How many were begun.
	begun int
}

// keptList is guarded by the mutex of all lists.
type keptList struct {
	name    string
	order   int
	askedAt time.Duration
	known   *datedList
	// What was wrong with the last one: a *Refusal or an *unavailable.
	failure error
	// By index, how many watch it.
	watched map[int]int
	refresh *refresh
}

func (list *keptList) ttl() time.Duration {
	if list.known == nil {
		return statusListTTL
	}
	return max(list.known.ttl, listTTLMin)
}

// refusal is what a token is refused for by what its list says, however old that is; nil while it is valid.
func (list *keptList) refusal(index int) *Refusal {
	if list.known == nil {
		return nil
	}
	status, isThere := list.known.statuses.at(index)
	switch {
	case !isThere:
		return claimsInvalid("status.status_list.idx within its list")
	case status != statusValid:
		message := "the token is not valid any more by its status list"
		return refuseWith(Revoked, message, map[string]string{"reason": "unspecified"})
	default:
		return nil
	}
}

// learn has the list of a token at hand, no older than its ttl, if it can be had.
func (lists *statusLists) learn(status tokenStatus) (hasWaited bool) {
	lists.mutex.Lock()
	if lists.isClosed {
		lists.mutex.Unlock()
		return false
	}
	list := lists.named(status.list)
	known, ttl := list.known, list.ttl()
	lists.mutex.Unlock()
	isRecent := known != nil && lists.at.place.clock.Monotonic()-known.received.monotonic <= ttl
	// What is known will do for a while, where a newer one can't be had.
	if isRecent || (known != nil && list.refresh.failing()) {
		return false
	}
	<-list.refresh.beginUnlessWithin(listAskedAnewMin)
	return true
}

// checkValid refuses by what is at hand: with REVOKED; with NOT_READY, STALE or CLOCK_SKEWED when that can't be told, and the code of what
// was wrong with the list as "status_list"; with CLAIMS_INVALID for an index beyond the list.
func (lists *statusLists) checkValid(status tokenStatus, bound time.Duration) *Refusal {
	lists.mutex.Lock()
	defer lists.mutex.Unlock()
	list := lists.named(status.list)
	if unfit := list.known.unfitness(instantAt(lists.at.place.clock), bound); unfit != "" {
		// So that it is there when the token comes again.
		if !lists.isClosed {
			list.refresh.beginUnlessWithin(listAskedAnewMin)
		}
		why := map[string]string{}
		if refused, isRefusal := list.failure.(*Refusal); isRefusal {
			why["status_list"] = string(refused.Code)
		}
		return refuseWith(unfit, listUnfitWords[unfit], why)
	}
	return list.refusal(status.index)
}

// listen calls once when the token is not valid any more; its list is fetched for as long as anybody listens.
func (lists *statusLists) listen(status tokenStatus, listener func(*Refusal)) (stop func()) {
	lists.mutex.Lock()
	list := lists.named(status.list)
	if refused := list.refusal(status.index); refused != nil {
		lists.mutex.Unlock()
		listener(refused)
		return func() {}
	}
	defer lists.mutex.Unlock()
	list.watched[status.index]++
	if list.known == nil && !lists.isClosed {
		list.refresh.beginUnlessWithin(listAskedAnewMin)
	}
	// Within the lock, so that no list comes between.
	remove := lists.denials.add([]denyKey{statusKey(status)}, listener)
	var once sync.Once
	return func() {
		remove()
		once.Do(func() { lists.unwatch(list, status.index) })
	}
}

func (lists *statusLists) unwatch(list *keptList, index int) {
	lists.mutex.Lock()
	defer lists.mutex.Unlock()
	list.watched[index]--
	if list.watched[index] <= 0 {
		delete(list.watched, index)
	}
}

// listsState is of the lists in use: the age of the oldest, how many tokens they refuse, why one is not to be believed at present.
type listsState struct {
	age     time.Duration
	invalid int
	refusal Code
	failure string
}

func (lists *statusLists) state(now instant, bound time.Duration) listsState {
	lists.mutex.Lock()
	defer lists.mutex.Unlock()
	var state listsState
	for _, list := range lists.byName {
		if list.known != nil {
			state.age = max(state.age, ageOf(list.known.asOf, now))
			state.invalid += list.known.statuses.notValid()
		}
		if unfit := list.known.unfitness(now, bound); unfit != "" {
			state.refusal = unfit
		}
		switch failure := list.failure.(type) {
		case *Refusal:
			state.failure = failure.Message
		case *unavailable:
			state.failure = failure.message
		}
	}
	return state
}

func (lists *statusLists) close() {
	lists.mutex.Lock()
	defer lists.mutex.Unlock()
	lists.isClosed = true
	for _, list := range lists.byName {
		list.refresh.close()
	}
}

// named is called with the mutex held, as all below but fetch.
func (lists *statusLists) named(name string) *keptList {
	now := lists.at.place.clock.Monotonic()
	if known := lists.byName[name]; known != nil {
		known.askedAt = now
		return known
	}
	if len(lists.byName) >= listsMax {
		lists.forgetOne()
	}
	list := &keptList{name: name, order: lists.begun, askedAt: now, watched: map[int]int{}}
	lists.begun++
	list.refresh = &refresh{
		clock: lists.at.place.clock, underWay: lists.underWay,
		fetch: func(ctx context.Context) bool { return lists.fetch(ctx, list) },
		after: func() (time.Duration, bool) { return lists.due(list) },
	}
	lists.byName[name] = list
	return list
}

// forgetOne lets go the one that was begun first of those that nobody watches.
func (lists *statusLists) forgetOne() {
	var first *keptList
	for _, list := range lists.byName {
		if len(list.watched) == 0 && (first == nil || list.order < first.order) {
			first = list
		}
	}
	if first != nil {
		lists.forget(first)
	}
}

func (lists *statusLists) forget(list *keptList) {
	list.refresh.close()
	if lists.byName[list.name] == list {
		delete(lists.byName, list.name)
	}
}

func (lists *statusLists) isInUse(list *keptList) bool {
	return len(list.watched) > 0 || lists.at.place.clock.Monotonic()-list.askedAt <= listInUse
}

func (lists *statusLists) due(list *keptList) (time.Duration, bool) {
	lists.mutex.Lock()
	defer lists.mutex.Unlock()
	if lists.isInUse(list) {
		return list.ttl(), true
	}
	lists.forget(list)
	return 0, false
}

func (lists *statusLists) fetch(ctx context.Context, list *keptList) bool {
	sent := instantAt(lists.at.place.clock)
	text, failed := lists.at.place.fetch(ctx, asked{
		path: "/status/" + list.name, accept: "application/statuslist+jwt", bytesMax: listBytesMax,
	})
	if failed != nil {
		return lists.failed(list, failed)
	}
	received := instantAt(lists.at.place.clock)
	// In whole seconds, rounded down, as everywhere.
	terms := listTerms{issuer: lists.at.issuer, name: list.name, now: time.Unix(received.wall.Unix(), 0)}
	var verified *verifiedStatusList
	refused := lists.keys.judged(func(keys eventKeys) (refused *Refusal) {
		verified, refused = verifyStatusListToken(string(text), keys, terms)
		return refused
	})
	if refused == nil {
		refused = lists.take(list, verified, sent, received)
	}
	if refused != nil {
		return lists.failed(list, refused)
	}
	return true
}

func (lists *statusLists) take(list *keptList, verified *verifiedStatusList, sent, received instant) *Refusal {
	lists.mutex.Lock()
	known, refused := datedListOf(verified, sent, received, list.known)
	told := map[denyKey]*Refusal{}
	if refused == nil {
		list.known, list.failure = known, nil
		for index := range list.watched {
			if ended := list.refusal(index); ended != nil && !lists.isClosed {
				told[statusKey(tokenStatus{list: list.name, index: index})] = ended
			}
		}
	}
	lists.mutex.Unlock()
	for key, ended := range told {
		lists.denials.told(key, ended)
	}
	return refused
}

func (lists *statusLists) failed(list *keptList, failure error) bool {
	lists.mutex.Lock()
	defer lists.mutex.Unlock()
	list.failure = failure
	// Of a list that cannot be had nobody asks again but with a token.
	if !lists.isInUse(list) {
		lists.forget(list)
	}
	return false
}

func statusKey(status tokenStatus) denyKey {
	return denyKey{kind: "status", first: status.list, second: strconv.Itoa(status.index)}
}
