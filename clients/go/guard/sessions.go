package guard

import (
	"container/list"
	"sync"

	"stint.example/stint"
)

const (
	// Beyond, the step's idlest goes.
	sessionsPerStepMax = 100
	// Of all steps: some MiB.
	sessionsMax = 10_000
	// Servers make them of some 40. What has a longer id is not kept, and so is nobody's.
	sessionIDBytesMax = 1_024
)

// sessions: one is its step's, and one that is not known here is nobody's, for what was forgotten must not become another's.
type sessions struct {
	mutex sync.Mutex
	byID  map[string]*list.Element
	// The idlest first.
	byUse *list.List
	// How many each step has.
	ofStep map[string]int
}

type session struct{ id, owner string }

func newSessions() *sessions {
	return &sessions{byID: map[string]*list.Element{}, byUse: list.New(), ofStep: map[string]int{}}
}

// isOf says whether there is such a session of the caller's.
func (all *sessions) isOf(id string, step *stint.VerifiedStep) bool {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	element, isKnown := all.byID[id]
	if !isKnown || element.Value.(session).owner != step.SPIFFEID {
		return false
	}
	all.byUse.MoveToBack(element)
	return true
}

// bind: a server has opened it for the caller; one that is somebody's already stays theirs.
func (all *sessions) bind(id string, step *stint.VerifiedStep) {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	if _, isKnown := all.byID[id]; isKnown || len(id) > sessionIDBytesMax {
		return
	}
	if all.ofStep[step.SPIFFEID] >= sessionsPerStepMax {
		all.drop(all.idlestOf(step.SPIFFEID))
	}
	if len(all.byID) >= sessionsMax {
		all.drop(all.byUse.Front())
	}
	all.byID[id] = all.byUse.PushBack(session{id: id, owner: step.SPIFFEID})
	all.ofStep[step.SPIFFEID]++
}

// forget: it has ended, or the server does not know it any more.
func (all *sessions) forget(id string) {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	all.drop(all.byID[id])
}

func (all *sessions) idlestOf(owner string) *list.Element {
	for element := all.byUse.Front(); element != nil; element = element.Next() {
		if element.Value.(session).owner == owner {
			return element
		}
	}
	return nil
}

func (all *sessions) drop(element *list.Element) {
	if element == nil {
		return
	}
	gone := all.byUse.Remove(element).(session)
	delete(all.byID, gone.id)
	if all.ofStep[gone.owner]--; all.ofStep[gone.owner] == 0 {
		delete(all.ofStep, gone.owner)
	}
}
