package stint

import (
	"regexp"
	"strings"
	"time"
)

const (
	// Tokens in one list: 16 KiB before compression, and a broker makes none that is larger.
	statusListTokens = 131_072
	// How long a verifier may take what a list says without asking again.
	statusListTTL = 5 * time.Second

	// Of statuses of tokens; every other is for an application to give a meaning to. See draft-ietf-oauth-status-list section 7.1.
	statusValid   = 0x00
	statusInvalid = 0x01
)

var listNamePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// tokenStatus is where a token's status is: in which list, and at which index there.
type tokenStatus struct {
	list  string
	index int
}

// statuses are a list that was unpacked, of 1, 2, 4 or 8 bits a token.
type statuses struct {
	bits int
	data []byte
}

func statusListURI(issuer, name string) string { return issuer + "/status/" + name }

// statusListNameIn gives the name in the URI of an issuer's list; false for anything else.
func statusListNameIn(issuer, uri string) (string, bool) {
	name, isBelow := strings.CutPrefix(uri, statusListURI(issuer, ""))
	return name, isBelow && listNamePattern.MatchString(name)
}

// at gives the status of a token; false for an index beyond the list, whose token is to be refused.
//
// A token that has several bits has them side by side, and the first token the lowest ones. See draft-ietf-oauth-status-list section 4.1.
func (list statuses) at(index int) (int, bool) {
	perByte := 8 / list.bits
	if index < 0 || index/perByte >= len(list.data) {
		return 0, false
	}
	return int(list.data[index/perByte]) >> (index % perByte * list.bits) & (1<<list.bits - 1), true
}

// notValid counts the tokens that are not valid.
func (list statuses) notValid() int {
	perByte, count := 8/list.bits, 0
	for at, one := range list.data {
		// Most bytes are of tokens that are all valid.
		if one == 0 {
			continue
		}
		for index := at * perByte; index < (at+1)*perByte; index++ {
			if status, _ := list.at(index); status != statusValid {
				count++
			}
		}
	}
	return count
}

// withInvalidOf gives a list with all that an earlier one has as invalid, for that is never undone: a broker that leaves it out was put
// back in time, or has forgotten it.
func (list statuses) withInvalidOf(earlier statuses) statuses {
	if list.bits != earlier.bits {
		return list
	}
	data := append([]byte{}, list.data...)
	for at := range min(len(data), len(earlier.data)) {
		if earlier.data[at] == data[at] {
			continue
		}
		for shift := 0; shift < 8; shift += list.bits {
			mask := byte(1<<list.bits-1) << shift
			if earlier.data[at]&mask == statusInvalid<<shift {
				data[at] = data[at]&^mask | statusInvalid<<shift
			}
		}
	}
	return statuses{bits: list.bits, data: data}
}
