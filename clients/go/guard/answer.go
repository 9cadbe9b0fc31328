package guard

import (
	"errors"
	"maps"
	"net/http"
	"sync"
)

var errStepEnded = errors.New("the step has ended")

// standing is how far an answer has got.
type standing int

const (
	notBegun standing = iota
	// A stream of events has begun, which can end with one more.
	stream
	// Another answer has begun, of which the rest is missing.
	begun
	whole
)

// answer is what the handler behind the guard says, until its step ends; from then on it is not heard.
type answer struct {
	// Called before the client knows of the answer, and comes back with what it has learned.
	onBegun func(status int, header http.Header)
	// nil: the answer is passed on as it is.
	view *view

	mutex    sync.Mutex
	response http.ResponseWriter
	header   http.Header
	status   int
	isBegun  bool
	// Whether the client has heard of it: an answer that is read first is held back until it is whole.
	isSent     bool
	isStream   bool
	isWhole    bool
	isDetached bool
	endsInLine bool
}

func newAnswer(response http.ResponseWriter, view *view, onBegun func(int, http.Header)) *answer {
	return &answer{response: response, header: http.Header{}, view: view, onBegun: onBegun, endsInLine: true}
}

// Header is the handler's own, until the answer begins.
func (answer *answer) Header() http.Header { return answer.header }

func (answer *answer) WriteHeader(status int) {
	answer.mutex.Lock()
	defer answer.mutex.Unlock()
	answer.begin(status)
}

func (answer *answer) begin(status int) {
	if answer.isDetached || answer.isBegun {
		return
	}
	if status < http.StatusOK && status != http.StatusSwitchingProtocols {
		maps.Copy(answer.response.Header(), answer.header)
		answer.response.WriteHeader(status)
		return
	}
	answer.isBegun, answer.status, answer.isStream = true, status, isEventStream(answer.header)
	if answer.view != nil {
		answer.view.begin(status, answer.header)
	}
	if answer.view == nil || !answer.view.isHeld() {
		answer.send()
	}
}

// send tells the client of the answer.
func (answer *answer) send() {
	answer.isSent = true
	header := answer.response.Header()
	maps.Copy(header, answer.header)
	if answer.view != nil {
		header.Del("Content-Length")
	}
	answer.onBegun(answer.status, answer.header)
	answer.response.WriteHeader(answer.status)
}

func (answer *answer) Write(data []byte) (int, error) {
	answer.mutex.Lock()
	defer answer.mutex.Unlock()
	answer.begin(http.StatusOK)
	if answer.isDetached {
		return 0, errStepEnded
	}
	passed := data
	if answer.view != nil {
		var err error
		if passed, err = answer.view.take(data); err != nil {
			return 0, err
		}
	}
	return len(data), answer.pass(passed)
}

func (answer *answer) pass(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	answer.endsInLine = data[len(data)-1] == '\n'
	_, err := answer.response.Write(data)
	return err
}

// Flush sends what there is.
func (answer *answer) Flush() { _ = answer.FlushError() }

// FlushError is Flush, as [http.ResponseController] calls it.
func (answer *answer) FlushError() error {
	answer.mutex.Lock()
	defer answer.mutex.Unlock()
	answer.begin(http.StatusOK)
	if answer.isDetached {
		return errStepEnded
	}
	if !answer.isSent {
		return nil
	}
	return http.NewResponseController(answer.response).Flush()
}

// finish: the handler has said all.
func (answer *answer) finish() {
	answer.mutex.Lock()
	defer answer.mutex.Unlock()
	if answer.isDetached || answer.isWhole {
		return
	}
	answer.isWhole = true
	answer.begin(http.StatusOK)
	if answer.view != nil {
		rest, err := answer.view.rest()
		switch {
		case err != nil && answer.isSent:
			panic(http.ErrAbortHandler)
		case err != nil:
			answer.isSent = true
			internalError.Write(answer.response, "", nil)
		case !answer.isSent:
			answer.send()
			_ = answer.pass(rest)
		default:
			_ = answer.pass(rest)
		}
	}
}

// detach: from then on nothing of the handler's is passed on, and nothing of the response is touched on its behalf.
func (answer *answer) detach() standing {
	answer.mutex.Lock()
	defer answer.mutex.Unlock()
	answer.isDetached = true
	switch {
	case answer.isWhole:
		return whole
	case !answer.isSent:
		return notBegun
	case answer.isStream:
		return stream
	default:
		return begun
	}
}

// lastEvent ends a stream that was detached.
func (answer *answer) lastEvent(data []byte) {
	// An event that was cut in two ends here, so that it does not swallow the last one.
	before := ""
	if !answer.endsInLine {
		before = "\n\n"
	}
	_, _ = answer.response.Write([]byte(before + "event: message\ndata: " + string(data) + "\n\n"))
	_ = http.NewResponseController(answer.response).Flush()
}
