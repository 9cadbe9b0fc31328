package stint

import (
	"errors"
	"io/fs"
	"os"
	"strings"
)

type found string

const (
	aSocket       found = "a socket"
	somethingElse found = "something else"
	nothing       found = "nothing"
)

// lastingFault is what would be the same however long one waits.
func lastingFault(socket string, failure *callFailure) error {
	if failure == nil {
		return nil
	}
	// A cursor that the broker does not know is given up by itself.
	isCursor := strings.HasSuffix(failure.metadata["field"], "cursor")
	if failure.reason == "AUDIENCE_INVALID" || (failure.reason == "INVALID_FIELD" && !isCursor) {
		return &Error{Code: failure.reason, Message: failure.message, Metadata: failure.metadata}
	}
	if failure.isUnreachable && whatIsAt(socket) == somethingElse {
		return invalidField("endpoint", "a socket; what is at this path is none")
	}
	return nil
}

// awaited is for people: what has to happen, and what was heard last.
func awaited(socket string, failure *callFailure, isConnected bool) string {
	if failure == nil {
		if isConnected {
			return "revocations, keys and the time of the broker, which has answered"
		}
		return "an answer of the broker at " + socket
	}
	mending := "a broker that serves"
	switch {
	case failure.reason == "NO_IDENTITY", failure.reason == "NOT_ENTITLED":
		// Entries may come later.
		mending = "a verifier's entry that matches this process"
	case failure.reason == "" && failure.isUnreachable && whatIsAt(socket) == nothing:
		mending = "a broker at " + socket + ", where there is nothing"
	case failure.reason == "" && failure.isUnreachable:
		mending = "a broker at " + socket + ", where none answers this user"
	}
	return mending + " (" + failure.text + ")"
}

func whatIsAt(socket string) found {
	info, err := os.Stat(socket)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nothing
	case err != nil:
		// A folder on the way is closed to this user; for all one knows it holds a socket.
		return aSocket
	case info.Mode()&fs.ModeSocket == 0:
		return somethingElse
	default:
		return aSocket
	}
}
