package stint

import "sync"

// listeners are those who are told when something is denied, by its names.
type listeners struct {
	mutex sync.Mutex
	byKey map[denyKey]map[*listener]bool
}

type listener struct {
	keys []denyKey
	tell func(*Refusal)
	once sync.Once
}

func newListeners() *listeners { return &listeners{byKey: map[denyKey]map[*listener]bool{}} }

// add calls once when any of these is denied. It returns what ends the listening; without it, the listener is kept for good.
func (all *listeners) add(keys []denyKey, tell func(*Refusal)) (stop func()) {
	added := &listener{keys: keys, tell: tell}
	all.mutex.Lock()
	defer all.mutex.Unlock()
	for _, key := range keys {
		if all.byKey[key] == nil {
			all.byKey[key] = map[*listener]bool{}
		}
		all.byKey[key][added] = true
	}
	return func() { all.remove(added) }
}

// addUnless calls the listener at once where what it listens for is refused already. The mutex is that under which denials come, so that
// none comes between.
func (all *listeners) addUnless(
	mutex *sync.Mutex, refusal func() *Refusal, keys []denyKey, tell func(*Refusal),
) (stop func()) {
	mutex.Lock()
	refused := refusal()
	if refused == nil {
		defer mutex.Unlock()
		return all.add(keys, tell)
	}
	mutex.Unlock()
	tell(refused)
	return func() {}
}

func (all *listeners) remove(gone *listener) {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	for _, key := range gone.keys {
		delete(all.byKey[key], gone)
		if len(all.byKey[key]) == 0 {
			delete(all.byKey, key)
		}
	}
}

// told tells whoever listens for this key.
func (all *listeners) told(key denyKey, refused *Refusal) {
	all.mutex.Lock()
	concerned := make([]*listener, 0, len(all.byKey[key]))
	for one := range all.byKey[key] {
		concerned = append(concerned, one)
	}
	all.mutex.Unlock()
	for _, one := range concerned {
		all.remove(one)
		one.once.Do(func() { one.tell(refused) })
	}
}
